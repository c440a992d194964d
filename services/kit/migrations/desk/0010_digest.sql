-- Kafka's hash of a key (murmur2, made positive), by which it takes the partition. As `partition_of` in Python.
CREATE FUNCTION key_hash(key text) RETURNS int LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    data   bytea := convert_to(key, 'UTF8');
    size   int := length(data);
    mask   constant bigint := 4294967295;
    factor constant bigint := 1540483477;
    word   bigint;
    mixed  bigint := 2538058380 # size;
BEGIN
    FOR i IN 0 .. size - 4 BY 4 LOOP
        word := get_byte(data, i) + (get_byte(data, i + 1) << 8) + (get_byte(data, i + 2) << 16)
              + (get_byte(data, i + 3)::bigint << 24);
        word := (word * factor) & mask;
        mixed := ((mixed * factor) & mask) # (((word # (word >> 24)) * factor) & mask);
    END LOOP;
    IF size % 4 > 0 THEN
        word := 0;
        FOR i IN REVERSE size - 1 .. size - size % 4 LOOP
            word := (word << 8) + get_byte(data, i);
        END LOOP;
        mixed := ((mixed # word) * factor) & mask;
    END IF;
    mixed := ((mixed # (mixed >> 13)) * factor) & mask;
    RETURN (mixed # (mixed >> 15)) & 2147483647;
END $$;

-- What the service writes of a record and nothing else does.
CREATE FUNCTION record_hash(student_id text, body jsonb, case_state text, case_version int, cohort text,
                            own_evidence text[], status_version int, status text) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN hashtextextended(student_id, jsonb_hash_extended(body, hash_array_extended(own_evidence, hashtextextended(
    coalesce(case_state, '') || chr(31) || case_version::text || chr(31) || coalesce(cohort, '') || chr(31)
    || coalesce(status, ''), status_version))));

-- `written_hash` is of what the service wrote last: a row that was edited by hand has another one.
ALTER TABLE record ADD COLUMN written_hash bigint;
UPDATE record SET written_hash =
    record_hash(student_id, body, case_state, case_version, cohort, own_evidence, status_version, status);
ALTER TABLE record
    ADD COLUMN key_hash int GENERATED ALWAYS AS (key_hash(student_id)) STORED,
    ADD COLUMN edited boolean GENERATED ALWAYS AS (written_hash IS DISTINCT FROM record_hash(
        student_id, body, case_state, case_version, cohort, own_evidence, status_version, status)) STORED;
-- The index is empty as a rule, and `edited` the only column in it that changes: updates stay heap-only.
CREATE INDEX record_edited ON record (student_id) WHERE edited;
