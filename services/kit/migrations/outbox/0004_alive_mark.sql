-- How many alive marks were published on a topic, and up to which the broker has acknowledged them. A topic with a higher
-- number knows more than this database: it comes from a backup. One with a lower number has lost records.
CREATE TABLE alive_mark (
    topic        text   PRIMARY KEY,
    number       bigint NOT NULL,
    acknowledged bigint NOT NULL DEFAULT 0,
    topic_id     uuid
);
