-- Who is leaving and how far they are, for the graduate school and the colleges.
CREATE VIEW published.case_progress_v1 AS
SELECT student_id, name, college, major, coalesce(cohort, '') AS cohort, state,
       (SELECT max(form.accepted_at) FROM submission AS form
        WHERE (form.student_id, form.case_number) = (student_case.student_id, student_case.case_number)
          AND NOT EXISTS (SELECT FROM form_void WHERE form_void.attempt_id = form.attempt_id)) AS accepted_at
FROM student_case WHERE state = 'completed' OR (state = 'open' AND joined_to IS NULL);

GRANT SELECT ON ALL TABLES IN SCHEMA published TO lixiao_reader;
