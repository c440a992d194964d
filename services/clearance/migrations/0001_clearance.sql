-- Who is leaving. One row a student for ever: a student taken off the roster is closed, not deleted.
CREATE TABLE student_case (
    student_id     text        PRIMARY KEY,
    version        int         NOT NULL CHECK (version >= 1),
    state          text        NOT NULL CHECK (state IN ('open', 'not-served', 'closed', 'completed')),
    name           text        NOT NULL,
    gender         text        NOT NULL,
    college        text        NOT NULL,
    major          text        NOT NULL,
    grade          text        NOT NULL,
    enrolled_on    date        NOT NULL,
    leave_category text        NOT NULL,
    cohort         text,
    opened_on      date        NOT NULL,
    changed_at     timestamptz NOT NULL
);

-- The view: the newest word of each department on each student.
-- No index but the key: an index on a column that changes would end heap-only updates and cost a quarter of the rate.
-- `disputed` is in an index only as a condition, so it costs an update nothing unless it changes.
CREATE TABLE status (
    student_id        text        NOT NULL,
    department        text        NOT NULL,
    version           int         NOT NULL,
    occurred_at       timestamptz,
    heard_at          timestamptz NOT NULL,
    source_partition  int         NOT NULL,
    source_offset     bigint      NOT NULL,
    unreadable_offset bigint,
    disputed          boolean     NOT NULL DEFAULT false,
    status            text,
    PRIMARY KEY (student_id, department),
    CHECK ((version = 0) = (status IS NULL))
) WITH (fillfactor = 70);
CREATE INDEX status_disputed ON status (student_id, department) WHERE disputed;

-- Until when each department is known to have said everything it had to say, by partition.
CREATE TABLE source (
    department  text        NOT NULL,
    partition   int         NOT NULL,
    alive_as_of timestamptz NOT NULL,
    heard_at    timestamptz NOT NULL,
    PRIMARY KEY (department, partition)
) WITH (fillfactor = 50);

-- The published read model: what another service may read, versioned like a contract.
CREATE SCHEMA published;

CREATE VIEW published.case_v1 AS
SELECT student_id, version, state, name, gender, grade, college, major, enrolled_on, leave_category, opened_on
FROM student_case;

CREATE VIEW published.status_v1 AS
SELECT status.student_id, status.department, status.version, status.occurred_at, status.heard_at,
       NOT status.disputed AND coalesce(status.unreadable_offset < status.source_offset, true) AS readable,
       source.alive_as_of, status.status
FROM status
LEFT JOIN source ON source.department = status.department AND source.partition = status.source_partition;

CREATE VIEW published.source_v1 AS
SELECT department, partition, alive_as_of, heard_at FROM source;

-- The role belongs to the whole server: provisioning has made it, or another database makes it at this moment.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'lixiao_reader') THEN
        CREATE ROLE lixiao_reader NOLOGIN;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL;
END
$$;
GRANT USAGE ON SCHEMA published TO lixiao_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA published TO lixiao_reader;
