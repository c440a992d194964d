-- What members of staff are called, for the departments' audits. By the provider's subject.
CREATE TABLE staff_person (
    subject      text        PRIMARY KEY,
    name         text        NOT NULL CHECK (name <> ''),
    signed_in_at timestamptz NOT NULL
);
