-- Where an older version was published behind the newest: its department was restored from a backup, or two publish.
-- Nobody knows which one holds, until a newer one is published.
ALTER TABLE status
    ADD COLUMN older_offset bigint,
    ADD COLUMN older_since  timestamptz;
COMMENT ON COLUMN status.older_offset IS 'Of the last status on the partition, if it is behind source_offset and of an older version.';
CREATE INDEX status_older ON status (department) WHERE older_offset IS NOT NULL;

CREATE FUNCTION status_readable(disputed boolean, unreadable_offset bigint, source_offset bigint, older_offset bigint)
RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN older_offset IS NULL AND status_readable(disputed, unreadable_offset, source_offset);

CREATE OR REPLACE VIEW published.status_v1 AS
SELECT status.student_id, status.department, status.version, status.occurred_at, status.heard_at,
       status_readable(status.disputed, status.unreadable_offset, status.source_offset, status.older_offset) AS readable,
       CASE WHEN source.lost_at IS NULL OR status.heard_at > source.lost_at THEN source.alive_as_of END AS alive_as_of,
       status.status
FROM status
LEFT JOIN source ON source.department = status.department AND source.partition = status.source_partition;
