-- Of a student it never changes, so updates of the view stay heap-only.
CREATE INDEX status_of_partition ON status (department, source_partition);

-- The newest comparison of the view with a department's own count and sum, by partition.
-- `differing`: comparisons in a row that differed, the first of them at `differs_since`.
CREATE TABLE reconciliation (
    department    text        NOT NULL,
    partition     int         NOT NULL,
    compared_at   timestamptz NOT NULL,
    published     bigint      NOT NULL,
    viewed        bigint      NOT NULL,
    differing     int         NOT NULL DEFAULT 0,
    differs_since timestamptz,
    PRIMARY KEY (department, partition),
    CHECK ((differing = 0) = (differs_since IS NULL))
) WITH (fillfactor = 50);

-- `students`: whose lines changed until it was healed; NULL before.
CREATE TABLE reconciliation_finding (
    finding_id bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    department text        NOT NULL,
    partition  int         NOT NULL,
    since      timestamptz NOT NULL,
    found_at   timestamptz NOT NULL,
    published  bigint      NOT NULL,
    viewed     bigint      NOT NULL,
    asked_at   timestamptz,
    asked      int         NOT NULL DEFAULT 0,
    removed    int         NOT NULL DEFAULT 0,
    healed_at  timestamptz,
    students   text[]
);
CREATE UNIQUE INDEX reconciliation_finding_open ON reconciliation_finding (department, partition)
    WHERE healed_at IS NULL;

-- The partition's lines when it was found, until it is healed.
CREATE TABLE reconciliation_before (
    finding_id bigint NOT NULL REFERENCES reconciliation_finding ON DELETE CASCADE,
    student_id text   NOT NULL,
    checks     bigint NOT NULL,
    PRIMARY KEY (finding_id, student_id)
);
