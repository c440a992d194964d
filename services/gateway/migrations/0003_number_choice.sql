-- Whom the provider has confirmed, under several student numbers, while the person chooses one. Only the hash of the
-- cookie is kept.
CREATE TABLE number_choice (
    id_hash          bytea       PRIMARY KEY CHECK (length(id_hash) = 32),
    csrf             text        NOT NULL,
    issuer           text        NOT NULL,
    subject          text        NOT NULL,
    authenticated_at timestamptz NOT NULL,
    roles            text[]      NOT NULL,
    student_ids      text[]      NOT NULL CHECK (cardinality(student_ids) > 1),
    destination      text        NOT NULL,
    expires_at       timestamptz NOT NULL
);
-- For the sweep of what has expired.
CREATE INDEX number_choice_expires_at ON number_choice (expires_at);
