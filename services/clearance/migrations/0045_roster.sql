-- The roster as the graduate school looks through it.
CREATE INDEX student_case_college ON student_case (college, student_id);

CREATE VIEW published.roster_v1 AS
SELECT student_id, name, college, major, grade, coalesce(cohort, '') AS cohort, leave_category, state,
       coalesce(joined_to, '') AS joined_to, taken_off, opened_on, changed_at
FROM student_case;

GRANT SELECT ON ALL TABLES IN SCHEMA published TO lixiao_reader;
