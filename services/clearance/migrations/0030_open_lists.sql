-- What a department's work list reads: the reasons of the checks that are not clear, `check:code` with a space between
-- two, and since when there are any.
ALTER TABLE status ADD COLUMN open_codes text, ADD COLUMN open_since timestamptz;

UPDATE status SET open_codes = codes, open_since = occurred_at
FROM (
    SELECT student_id, department, string_agg(code, ' ' ORDER BY check_at, code_at) AS codes
    FROM (
        SELECT stored.student_id, stored.department, checks.at AS check_at, coalesce(reasons.at, 0) AS code_at,
               concat(checks.value ->> 'check', ':', reasons.value ->> 'code') AS code
        FROM status AS stored,
             jsonb_array_elements(stored.status::jsonb -> 'checks') WITH ORDINALITY AS checks (value, at)
             LEFT JOIN LATERAL jsonb_array_elements(checks.value -> 'reasons') WITH ORDINALITY AS reasons (value, at)
                 ON true
        WHERE checks.value ->> 'verdict' <> 'clear'
    ) AS each
    GROUP BY student_id, department
) AS found
WHERE (status.student_id, status.department) = (found.student_id, found.department);

-- Of rows that are open. `open_since` changes only when a row is opened or closed, so that updates between the two stay
-- heap-only; `open_codes` may change and is in no index.
CREATE INDEX status_open ON status (department, student_id) WHERE open_since IS NOT NULL;
CREATE INDEX status_open_since ON status (department, open_since, student_id) WHERE open_since IS NOT NULL;
-- For searching by the beginning of a name.
CREATE INDEX student_case_name ON student_case (name text_pattern_ops);

CREATE VIEW published.open_status_v1 AS
SELECT status.student_id, status.department, string_to_array(status.open_codes, ' ') AS open_codes, status.open_since,
       student_case.name, student_case.college, student_case.major, student_case.cohort
FROM status JOIN student_case USING (student_id)
WHERE status.open_since IS NOT NULL AND student_case.state = 'open';

GRANT SELECT ON ALL TABLES IN SCHEMA published TO lixiao_reader;
