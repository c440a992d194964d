-- No value: a tombstone, which forgets what the topic holds under the key.
ALTER TABLE outbox ALTER COLUMN value DROP NOT NULL;
