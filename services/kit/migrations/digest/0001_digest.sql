-- A department's statuses and the view of them are compared by sums of this hash: both databases have the same.
-- PostgreSQL's hash of a text is the same in all its versions, because tables are partitioned by it.
CREATE FUNCTION status_hash(student_id text, version int, status text) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN hashtextextended(student_id || chr(31) || version::text || chr(31) || status, 0);
