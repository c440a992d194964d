-- What a student says is wrong about a check, and what the department answered. One is open for each check.
CREATE TABLE line_comment (
    comment_id  uuid        PRIMARY KEY,
    student_id  text        NOT NULL,
    department  text        NOT NULL,
    check_name  text        NOT NULL,
    text        text        NOT NULL,
    asked_at    timestamptz NOT NULL,
    answer      text,
    answered_at timestamptz,
    answered_by text,
    CHECK ((answer IS NULL) = (answered_at IS NULL) AND (answer IS NULL) = (answered_by IS NULL))
);
CREATE UNIQUE INDEX line_comment_once ON line_comment (student_id, department, check_name) WHERE answered_at IS NULL;
CREATE INDEX line_comment_of_student ON line_comment (student_id, department, check_name, asked_at DESC);
CREATE INDEX line_comment_waiting ON line_comment (department, asked_at) WHERE answered_at IS NULL;
CREATE INDEX line_comment_age ON line_comment (coalesce(answered_at, asked_at));
