-- `offset` is a word of SQL in other databases. How many bytes of a session are acknowledged is called what it is.
ALTER TABLE uploads RENAME COLUMN offset TO acknowledged;
