-- Who holds the places of uploads, so that nobody holds more than a share of them while others want one.
ALTER TABLE uploads ADD COLUMN peer TEXT NOT NULL DEFAULT '';
CREATE INDEX uploads_by_peer ON uploads (peer, used, id) WHERE state < 2;
