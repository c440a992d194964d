-- The highest version that somebody has received and this database may not know, because it comes from a backup. Every
-- status from now on has a higher one; one that has not is of before.
CREATE TABLE version_floor (
    single    boolean     PRIMARY KEY DEFAULT true CHECK (single),
    version   int         NOT NULL DEFAULT 0,
    raised_at timestamptz
);
INSERT INTO version_floor DEFAULT VALUES;
