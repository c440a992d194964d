-- Whether a status takes back a check that a form rests on. `leaving_again`: the student number has a later case, for
-- which a department may not have spoken yet: that says nothing about the earlier one.
CREATE FUNCTION check_lost(status jsonb, waived jsonb, leaving_again boolean) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN leaving_again THEN jsonb_path_exists(
        status, '$.checks[*] ? (@.verdict != "clear" && !($waived[*] == @.check) && !(@.reasons[*].code == "no-data"))',
        jsonb_build_object('waived', coalesce(waived, '[]')))
    ELSE status_blocks(status, waived)
END;
