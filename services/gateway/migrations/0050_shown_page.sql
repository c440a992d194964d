-- What a student's information page showed, from when on; its words and what it was made from, compressed.
CREATE TABLE shown_page (
    shown_id       bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    student_id     text        NOT NULL,
    language       text        NOT NULL,
    first_shown_at timestamptz NOT NULL,
    -- No index has it: a page that is shown again is updated in place.
    last_shown_at  timestamptz NOT NULL,
    digest         bytea       NOT NULL CHECK (length(digest) = 16),
    document       bytea       NOT NULL
) WITH (fillfactor = 90);
CREATE INDEX shown_page_of_student ON shown_page (student_id, first_shown_at);
CREATE INDEX shown_page_age ON shown_page (first_shown_at);
