-- What the provider ends or takes away during a session. `sid` is its own name of its session.
ALTER TABLE session ADD COLUMN sid text;
ALTER TABLE number_choice ADD COLUMN sid text;
CREATE INDEX session_sid ON session (issuer, sid) WHERE sid IS NOT NULL;
-- Of staff: when the provider last confirmed the roles, when it is asked next, and the token to ask with, encrypted
-- under the session id, which is not here.
ALTER TABLE session ADD COLUMN roles_confirmed_at timestamptz;
ALTER TABLE session ADD COLUMN roles_due_at timestamptz;
ALTER TABLE session ADD COLUMN refresh_token bytea;
UPDATE session SET roles_confirmed_at = started_at, roles_due_at = started_at WHERE cardinality(roles) > 0;
-- Logout tokens that were taken, by digest, for as long as they would be valid.
CREATE TABLE used_logout_token (
    digest     bytea       PRIMARY KEY CHECK (length(digest) = 32),
    expires_at timestamptz NOT NULL
);
CREATE INDEX used_logout_token_expires_at ON used_logout_token (expires_at);
