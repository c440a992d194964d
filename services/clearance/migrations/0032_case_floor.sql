-- The highest version of a case that a department may have received and this database may not know, because it comes
-- from a backup. A case that is opened from now on has a higher one.
CREATE TABLE case_floor (
    single    boolean     PRIMARY KEY DEFAULT true CHECK (single),
    version   int         NOT NULL DEFAULT 0,
    raised_at timestamptz
);
INSERT INTO case_floor DEFAULT VALUES;
