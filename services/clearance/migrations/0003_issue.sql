-- Which command handed the certificates over: the desk that asked finds its own answer by it.
ALTER TABLE issue ADD COLUMN command_id uuid NOT NULL UNIQUE;
-- What a clerk handed over today.
CREATE INDEX issue_of_clerk ON issue (issued_by, issued_at DESC);

CREATE VIEW published.issue_v1 AS
SELECT issue.student_id, submission.form_number, issued_at, issued_by, issued_to, proxy_name, command_id
FROM issue JOIN submission USING (student_id);

GRANT SELECT ON published.issue_v1 TO lixiao_reader;
