-- A form is signed again when the key that signed it leaked: the same content under another key. The signature before is
-- kept, so that a paper that was printed with it is known to be the one that was accepted.
CREATE TABLE former_signature (
    attempt_id  uuid        NOT NULL REFERENCES submission,
    kid         text        NOT NULL REFERENCES signing_key,
    receipt     text        NOT NULL,
    replaced_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    replaced_by text        NOT NULL,
    PRIMARY KEY (attempt_id, kid)
);
CREATE TRIGGER never_changed BEFORE UPDATE OR DELETE ON former_signature
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE INDEX submission_of_key ON submission (kid, attempt_id);

-- Of a submission the signature alone may change, once it is kept here, and what is signed stays the same to the byte.
-- `follows` is generated only after this trigger.
CREATE FUNCTION refuse_submission_change() RETURNS trigger LANGUAGE plpgsql AS $function$
BEGIN
    IF TG_OP = 'DELETE' AND current_setting('lixiao.erasing', true) = 'on' THEN
        RETURN OLD;
    END IF;
    IF TG_OP = 'UPDATE' AND NEW.kid <> OLD.kid
       AND to_jsonb(NEW) - '{receipt,qr_text,kid,follows}'::text[] = to_jsonb(OLD) - '{receipt,qr_text,kid,follows}'::text[]
       AND split_part(NEW.receipt, '.', 2) = split_part(OLD.receipt, '.', 2)
       AND EXISTS (SELECT FROM former_signature
                   WHERE attempt_id = OLD.attempt_id AND kid = OLD.kid AND receipt = OLD.receipt) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'a % is never changed', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END
$function$;
DROP TRIGGER never_changed ON submission;
CREATE TRIGGER never_changed BEFORE UPDATE OR DELETE ON submission
    FOR EACH ROW EXECUTE FUNCTION refuse_submission_change();

CREATE VIEW published.former_signature_v1 AS
SELECT form_number, former_signature.kid, former_signature.receipt, replaced_at
FROM former_signature JOIN submission USING (attempt_id);

CREATE VIEW published.revoked_key_v1 AS
SELECT kid, created_at, retired_at, revoked_at FROM signing_key WHERE revoked_at IS NOT NULL;

GRANT SELECT ON ALL TABLES IN SCHEMA published TO lixiao_reader;
