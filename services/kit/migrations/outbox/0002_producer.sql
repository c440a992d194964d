-- The Kafka producer that sends this outbox. Each time one is opened its epoch grows: brokers then refuse what an older
-- one (abandoned after a timeout, or of a leader that was replaced) still sends, in every partition the new one wrote to.
CREATE TABLE outbox_producer (
    one         boolean PRIMARY KEY DEFAULT true CHECK (one),
    producer_id bigint  NOT NULL CHECK (producer_id >= 0),
    epoch       int     NOT NULL CHECK (epoch BETWEEN 0 AND 32767)
);
