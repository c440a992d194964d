-- Rows that are never deleted go in a transaction that forgets or purges (`lixiao.erasing`), and never silently: the audit
-- says of which table and how many. The service can neither change this nor put it out of the way.
CREATE FUNCTION note_erasure() RETURNS trigger LANGUAGE plpgsql AS $function$
DECLARE
    gone bigint := (SELECT count(*) FROM erased);
BEGIN
    IF gone > 0 THEN
        WITH added AS (
            INSERT INTO audit.entry (actor, act, outcome, details)
            VALUES ('database role ' || session_user, 'row.erase', 'erased',
                    format('{"rows":%s,"table":"%s"}', gone, TG_TABLE_NAME))
            RETURNING entry_id
        )
        INSERT INTO audit.unsealed (entry_id) SELECT entry_id FROM added;
    END IF;
    RETURN NULL;
END
$function$;

CREATE TRIGGER erasure_noted AFTER DELETE ON submission REFERENCING OLD TABLE AS erased
    FOR EACH STATEMENT EXECUTE FUNCTION note_erasure();
CREATE TRIGGER erasure_noted AFTER DELETE ON former_signature REFERENCING OLD TABLE AS erased
    FOR EACH STATEMENT EXECUTE FUNCTION note_erasure();
CREATE TRIGGER erasure_noted AFTER DELETE ON answer REFERENCING OLD TABLE AS erased
    FOR EACH STATEMENT EXECUTE FUNCTION note_erasure();
CREATE TRIGGER erasure_noted AFTER DELETE ON attempt_waiver REFERENCING OLD TABLE AS erased
    FOR EACH STATEMENT EXECUTE FUNCTION note_erasure();
CREATE TRIGGER erasure_noted AFTER DELETE ON form_void REFERENCING OLD TABLE AS erased
    FOR EACH STATEMENT EXECUTE FUNCTION note_erasure();
CREATE TRIGGER erasure_noted AFTER DELETE ON issue REFERENCING OLD TABLE AS erased
    FOR EACH STATEMENT EXECUTE FUNCTION note_erasure();
CREATE TRIGGER erasure_noted AFTER DELETE ON issue_undo REFERENCING OLD TABLE AS erased
    FOR EACH STATEMENT EXECUTE FUNCTION note_erasure();
CREATE TRIGGER erasure_noted AFTER DELETE ON desk_refusal REFERENCING OLD TABLE AS erased
    FOR EACH STATEMENT EXECUTE FUNCTION note_erasure();
CREATE TRIGGER erasure_noted AFTER DELETE ON exemption REFERENCING OLD TABLE AS erased
    FOR EACH STATEMENT EXECUTE FUNCTION note_erasure();
CREATE TRIGGER erasure_noted AFTER DELETE ON proposal REFERENCING OLD TABLE AS erased
    FOR EACH STATEMENT EXECUTE FUNCTION note_erasure();
