-- Rows that are never deleted go in a transaction that forgets a student or purges what its time has ended for.
CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $function$
BEGIN
    IF TG_OP = 'DELETE' AND current_setting('lixiao.erasing', true) = 'on' THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'a % is never changed', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END
$function$;
CREATE INDEX attempt_ended ON attempt (ended_at) WHERE state IN ('refused', 'expired');
