-- Tokens of persons and systems at this service. A rotated one has two rows until the older has expired.
CREATE TABLE access_token (
    token_id     bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name         text        NOT NULL CHECK (name ~ '^[a-z0-9][a-z0-9._-]{0,62}$'),
    token_sha256 text        NOT NULL UNIQUE CHECK (token_sha256 ~ '^[0-9a-f]{64}$'),
    roles        text[]      NOT NULL CHECK (cardinality(roles) BETWEEN 1 AND 32),
    made_by      text        NOT NULL,
    made_at      timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz NOT NULL,
    revoked_at   timestamptz,
    last_used_at timestamptz
);
CREATE INDEX access_token_name ON access_token (name);
