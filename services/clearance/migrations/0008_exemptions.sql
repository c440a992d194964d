-- Roster attributes that decide which checks apply.
ALTER TABLE student_case ADD COLUMN degree_level text, ADD COLUMN campus text, ADD COLUMN study_form text;

-- A check that one student does not need, made and withdrawn by proposals.
CREATE TABLE exemption (
    exemption_id bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    student_id   text        NOT NULL REFERENCES student_case,
    department   text        NOT NULL,
    check_name   text        NOT NULL,
    kind         text        NOT NULL CHECK (kind IN ('not-applicable', 'released')),
    reason       text        NOT NULL CHECK (reason <> ''),
    until        date        NOT NULL,
    proposal_id  bigint      NOT NULL UNIQUE REFERENCES proposal,
    proposed_by  text        NOT NULL,
    confirmed_by text        NOT NULL,
    made_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- The end of the day `until` in the university's time zone.
    ends_at      timestamptz NOT NULL CHECK (ends_at > made_at),
    withdrawn_at timestamptz,
    withdrawn_by text,
    -- The proposal that withdrew it, or that made the one in its place.
    withdrawal   bigint      REFERENCES proposal,
    CHECK ((withdrawn_at IS NULL) = (withdrawn_by IS NULL) AND (withdrawn_at IS NULL) = (withdrawal IS NULL))
);
CREATE UNIQUE INDEX exemption_stands_once ON exemption (student_id, department, check_name) WHERE withdrawn_at IS NULL;
CREATE TRIGGER never_changed BEFORE UPDATE ON exemption FOR EACH ROW WHEN (OLD.withdrawn_at IS NOT NULL)
    EXECUTE FUNCTION refuse_change();
CREATE TRIGGER never_deleted BEFORE DELETE ON exemption FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- The checks that an attempt did not ask, frozen when it opened. `names`: department → its waived checks.
CREATE TABLE attempt_waiver (
    attempt_id uuid        PRIMARY KEY REFERENCES attempt,
    as_of      timestamptz NOT NULL,
    waivers    jsonb       NOT NULL CHECK (waivers <> '[]'),
    names      jsonb       NOT NULL
);
CREATE TRIGGER never_changed BEFORE UPDATE OR DELETE ON attempt_waiver FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- Whether a status has a check that is neither clear nor waived, and the reasons of these.
CREATE FUNCTION status_blocks(status jsonb, waived jsonb) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN jsonb_path_exists(status, '$.checks[*] ? (@.verdict != "clear" && !($waived[*] == @.check))',
                         jsonb_build_object('waived', coalesce(waived, '[]')));
CREATE FUNCTION status_reasons(status jsonb, waived jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN jsonb_path_query_array(status, '$.checks[*] ? (!($waived[*] == @.check)).reasons[*]',
                              jsonb_build_object('waived', coalesce(waived, '[]')));

CREATE VIEW published.exemption_v1 AS
SELECT exemption_id, student_id, department, check_name, kind, reason, until, made_at, ends_at, withdrawn_at
FROM exemption;

CREATE VIEW published.attempt_waiver_v1 AS
SELECT attempt_id, as_of, waivers::json AS waivers FROM attempt_waiver;

CREATE VIEW published.case_attribute_v1 AS
SELECT student_id, degree_level, campus, study_form FROM student_case;

GRANT SELECT ON ALL TABLES IN SCHEMA published TO lixiao_reader;
