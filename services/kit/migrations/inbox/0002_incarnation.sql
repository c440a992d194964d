-- A position belongs to one incarnation of its topic and to the record that stood before it (its fingerprint). When one
-- or the other is gone, the position starts over: `resets` counts that, and a batch read before is not stored any more.
ALTER TABLE consumer_offset
    ADD COLUMN topic_id    uuid,
    ADD COLUMN last_record bytea CHECK (length(last_record) = 8),
    ADD COLUMN resets      int NOT NULL DEFAULT 0;

-- 0: of the log that is read now. Else of one before, whose offsets mean nothing in this one: the reset that ended it.
ALTER TABLE dead_letter ADD COLUMN ended_log int NOT NULL DEFAULT 0;
ALTER TABLE dead_letter DROP CONSTRAINT dead_letter_consumer_topic_partition_offset_key;
ALTER TABLE dead_letter ADD UNIQUE (consumer, topic, partition, "offset", ended_log);
