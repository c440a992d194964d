-- A restored clearance may open an attempt anew, with a longer life: a department that holds its pass for as long says so
-- with the same answer. An answer counts while it is held; a row of `answer` is never changed.
CREATE TABLE prolonged_hold (
    attempt_id uuid        NOT NULL,
    department text        NOT NULL,
    held_until timestamptz NOT NULL,
    PRIMARY KEY (attempt_id, department),
    FOREIGN KEY (attempt_id, department) REFERENCES answer ON DELETE CASCADE
);
