-- Which record of which partition the row is from, for an operator.
CREATE OR REPLACE VIEW published.status_v1 AS
SELECT status.student_id, status.department, status.version, status.occurred_at, status.heard_at,
       status_readable(status.disputed, status.unreadable_offset, coalesce(status.first_offset, status.source_offset),
                       status.older_offset) AS readable,
       CASE WHEN source.lost_at IS NULL OR status.heard_at > source.lost_at THEN source.alive_as_of END AS alive_as_of,
       status.status,
       status.source_partition, status.source_offset, status.unreadable_offset
FROM status
LEFT JOIN source ON source.department = status.department AND source.partition = status.source_partition;
