-- What one person proposed and another confirmed or rejected. An open proposal past `expires_at` has expired.
CREATE TABLE proposal (
    proposal_id bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    action      text        NOT NULL,
    student_id  text        NOT NULL REFERENCES student_case,
    body        jsonb       NOT NULL,
    reason      text        NOT NULL CHECK (reason <> ''),
    persons     smallint    NOT NULL CHECK (persons IN (1, 2)),
    state       text        NOT NULL CHECK (state IN ('open', 'confirmed', 'rejected')),
    proposed_by text        NOT NULL,
    proposed_at timestamptz NOT NULL,
    expires_at  timestamptz NOT NULL CHECK (expires_at > proposed_at),
    ended_by    text,
    ended_at    timestamptz,
    ended_why   text,
    request_key text        NOT NULL,
    fingerprint bytea       NOT NULL,
    UNIQUE (proposed_by, request_key),
    CHECK ((state = 'open') = (ended_by IS NULL) AND (state = 'open') = (ended_at IS NULL)),
    CHECK ((state = 'rejected') = (ended_why IS NOT NULL)),
    -- Whatever the code does, nobody confirms what they proposed themselves.
    CHECK (persons = 1 OR ended_by <> proposed_by)
);
CREATE INDEX proposal_open ON proposal (proposal_id) WHERE state = 'open';
CREATE INDEX proposal_of_student ON proposal (student_id, proposal_id);

CREATE TRIGGER never_changed BEFORE UPDATE ON proposal FOR EACH ROW WHEN (OLD.state <> 'open')
    EXECUTE FUNCTION refuse_change();
CREATE TRIGGER never_deleted BEFORE DELETE ON proposal FOR EACH ROW EXECUTE FUNCTION refuse_change();
