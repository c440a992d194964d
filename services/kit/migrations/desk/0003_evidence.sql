-- Evidence: what a status rests on. `own_evidence` are the checks with a record or act about the student,
-- `open_questions` counts the student's rows of `open_question`. `assessed_revision` is the coverage revision of the
-- last assessment; NULL when it rests on no coverage. Smaller than the current revision: to be assessed again.
ALTER TABLE record
    ADD COLUMN cohort            text,
    ADD COLUMN own_evidence      text[] NOT NULL DEFAULT '{}',
    ADD COLUMN open_questions    int    NOT NULL DEFAULT 0 CHECK (open_questions >= 0),
    ADD COLUMN assessed_revision bigint;
-- Nobody knows any more what earlier statuses rested on: they are assessed again.
UPDATE record SET assessed_revision = 0;
CREATE INDEX record_to_assess ON record (assessed_revision)
    WHERE assessed_revision IS NOT NULL AND case_state IN ('open', 'completed');

CREATE TABLE coverage_revision (
    single   boolean PRIMARY KEY DEFAULT true CHECK (single),
    revision bigint  NOT NULL
);
INSERT INTO coverage_revision (revision) VALUES (1);

-- "Our list for this cohort is complete as of then." No cohort: for every student.
CREATE TABLE covering_load (
    load_id          uuid        PRIMARY KEY,
    seq              bigint      GENERATED ALWAYS AS IDENTITY UNIQUE,
    cohort           text,
    checks           text[]      NOT NULL CHECK (cardinality(checks) > 0),
    as_of            timestamptz NOT NULL,
    declared_by      text        NOT NULL,
    declared_at      timestamptz NOT NULL,
    job_id           uuid,
    withdrawn_by     text,
    withdrawn_at     timestamptz,
    withdrawn_reason text,
    CHECK ((withdrawn_at IS NULL) = (withdrawn_by IS NULL)),
    CHECK ((withdrawn_at IS NULL) = (withdrawn_reason IS NULL))
);
CREATE INDEX covering_load_valid ON covering_load (cohort) WHERE withdrawn_at IS NULL;

-- A refused row of a readable student, or a file refused whole (no student; its cohort, or every one).
-- `items` are what the row speaks of and is not settled yet; NULL when that cannot be read.
CREATE TABLE open_question (
    question_id   bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    student_id    text        REFERENCES record,
    cohort        text,
    job_id        uuid,
    row_number    int,
    file_sha256   bytea,
    items         text[],
    problems      jsonb       NOT NULL,
    opened_by     text        NOT NULL,
    opened_at     timestamptz NOT NULL,
    closed_at     timestamptz,
    closed_how    text        CHECK (closed_how IN ('settled', 'covered', 'ended')),
    closed_by     text,
    closed_reason text,
    CHECK ((student_id IS NULL) = (file_sha256 IS NOT NULL)),
    CHECK ((closed_at IS NULL) = (closed_how IS NULL)),
    UNIQUE (job_id, row_number)
);
CREATE INDEX open_question_of_student ON open_question (student_id) WHERE closed_at IS NULL;
CREATE INDEX open_question_latest ON open_question (question_id) WHERE closed_at IS NULL;
CREATE UNIQUE INDEX open_question_of_file ON open_question (file_sha256) WHERE closed_at IS NULL;
