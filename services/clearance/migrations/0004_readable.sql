-- Whether the status of a row may be shown, spelled once for the published view and for the comparison of a rebuilt one.
-- PostgreSQL inlines an immutable function of one expression: reading costs no more than before.
CREATE FUNCTION status_readable(disputed boolean, unreadable_offset bigint, source_offset bigint) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN NOT disputed AND coalesce(unreadable_offset < source_offset, true);

CREATE OR REPLACE VIEW published.status_v1 AS
SELECT status.student_id, status.department, status.version, status.occurred_at, status.heard_at,
       status_readable(status.disputed, status.unreadable_offset, status.source_offset) AS readable,
       source.alive_as_of, status.status
FROM status
LEFT JOIN source ON source.department = status.department AND source.partition = status.source_partition;
