-- A file is taken in whole before any of its rows is applied, so that a restart goes on where the last one ended.
CREATE TABLE import_job (
    job_id      uuid        PRIMARY KEY,
    seq         bigint      GENERATED ALWAYS AS IDENTITY UNIQUE,
    kind        text        NOT NULL,
    format      text        NOT NULL CHECK (format IN ('csv', 'jsonl', 'xlsx')),
    encoding    text        NOT NULL,
    sha256      bytea       NOT NULL CHECK (length(sha256) = 32),
    uploaded_by text        NOT NULL,
    uploaded_at timestamptz NOT NULL,
    traceparent text,
    state       text        NOT NULL DEFAULT 'queued' CHECK (state IN ('queued', 'running', 'done')),
    rows_total  int         NOT NULL DEFAULT 0,
    applied     int         NOT NULL DEFAULT 0 CHECK (applied >= 0),
    unchanged   int         NOT NULL DEFAULT 0 CHECK (unchanged >= 0),
    rejected    int         NOT NULL DEFAULT 0 CHECK (rejected >= 0),
    started_at  timestamptz,
    finished_at timestamptz,
    CHECK (applied + unchanged + rejected <= rows_total),
    CHECK ((state = 'done') = (finished_at IS NOT NULL)),
    CHECK (state <> 'done' OR applied + unchanged + rejected = rows_total)
);
-- The same file while it is being worked on is the same job. Later it may come again: its rows change nothing then.
CREATE UNIQUE INDEX import_job_unfinished ON import_job (kind, sha256) WHERE state <> 'done';
CREATE INDEX import_job_latest ON import_job (kind, seq);

-- The cells are kept only while they are needed: until the row is applied, or, of a refused one, for its export.
CREATE TABLE import_row (
    job_id     uuid     NOT NULL REFERENCES import_job ON DELETE CASCADE,
    row_number int      NOT NULL CHECK (row_number > 0),
    state      text     NOT NULL CHECK (state IN ('pending', 'applied', 'unchanged', 'rejected')),
    held_tries smallint NOT NULL DEFAULT 0,
    cells      jsonb,
    problems   jsonb,
    PRIMARY KEY (job_id, row_number),
    CHECK ((state IN ('pending', 'rejected')) = (cells IS NOT NULL)),
    CHECK ((state = 'rejected') = (problems IS NOT NULL))
) WITH (fillfactor = 80);
CREATE INDEX import_row_state ON import_row (job_id, state, row_number);
