-- Since when records of a partition are gone. A status received before is stale until it is published again.
ALTER TABLE source ADD COLUMN lost_at timestamptz;
ALTER TABLE source ALTER COLUMN alive_as_of DROP NOT NULL;

CREATE OR REPLACE VIEW published.status_v1 AS
SELECT status.student_id, status.department, status.version, status.occurred_at, status.heard_at,
       status_readable(status.disputed, status.unreadable_offset, status.source_offset) AS readable,
       CASE WHEN source.lost_at IS NULL OR status.heard_at > source.lost_at THEN source.alive_as_of END AS alive_as_of,
       status.status
FROM status
LEFT JOIN source ON source.department = status.department AND source.partition = status.source_partition;
