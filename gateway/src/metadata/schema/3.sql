-- The manifests that an index names, sorted by digest: the index of referrers that clients keep under a tag is read in pages.
CREATE INDEX edges_of_indexes ON edges (artifact_id, digest) WHERE kind = 2;
