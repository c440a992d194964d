-- Token buckets that all instances share. Unlogged: after a crash the limits begin anew.
CREATE UNLOGGED TABLE shared_limit (
    key     bytea            PRIMARY KEY, -- a digest: no address stands here
    level   double precision NOT NULL,
    at      timestamptz      NOT NULL,
    refused boolean          NOT NULL DEFAULT false
) WITH (fillfactor = 50);
