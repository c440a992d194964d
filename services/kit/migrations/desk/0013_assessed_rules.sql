-- By which rules the records were assessed. A service that starts with others has them assessed again.
CREATE TABLE assessed_rules (
    single      boolean     PRIMARY KEY DEFAULT true CHECK (single),
    fingerprint text        NOT NULL,
    since       timestamptz NOT NULL DEFAULT clock_timestamp()
);
