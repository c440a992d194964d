-- The ID token of the sign-in, which shows the provider at sign-out whose session there ends; encrypted under the id of
-- the session or of the choice, which is not here.
ALTER TABLE session ADD COLUMN id_token bytea;
ALTER TABLE number_choice ADD COLUMN id_token bytea;
