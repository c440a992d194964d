-- The departments' status topics, as they are, into the view: the whole projector as one INSERT. `guard.sql` has to be
-- applied to the clearance's database before. Variables are put in by `envsubst`.
SET 'pipeline.name' = '${NAMESPACE}.flink';
SET 'execution.checkpointing.interval' = '5 s';
-- A record may be written twice after a failure, which changes nothing there.
SET 'execution.checkpointing.mode' = 'AT_LEAST_ONCE';

CREATE TABLE status_topic (
    `key`            BYTES,
    `value`          BYTES,
    topic            STRING METADATA VIRTUAL,
    source_partition INT METADATA FROM 'partition' VIRTUAL,
    source_offset    BIGINT METADATA FROM 'offset' VIRTUAL,
    headers          MAP<STRING, BYTES> METADATA VIRTUAL
) WITH (
    'connector' = 'kafka',
    'topic-pattern' = '${NAMESPACE}\.[a-z0-9-]+\.status\.v1',
    'scan.topic-partition-discovery.interval' = '60 s',
    'properties.bootstrap.servers' = '${KAFKA}',
    'properties.security.protocol' = '${KAFKA_SECURITY_PROTOCOL}',
    'properties.sasl.mechanism' = '${KAFKA_SASL_MECHANISM}',
    'properties.sasl.jaas.config' = '${KAFKA_JAAS_CONFIG}',
    'properties.group.id' = '${NAMESPACE}.flink',
    'scan.startup.mode' = 'earliest-offset',
    'key.format' = 'raw',
    'key.fields' = 'key',
    'value.format' = 'raw',
    'value.fields-include' = 'EXCEPT_KEY'
);

CREATE TABLE status_record (
    topic            STRING,
    source_partition INT,
    source_offset    BIGINT,
    `key`            BYTES,
    `value`          BYTES,
    `type`           STRING
) WITH (
    'connector' = 'jdbc',
    'url' = '${DATABASE_URL}',
    'username' = '${DATABASE_USER}',
    'password' = '${DATABASE_PASSWORD}',
    'table-name' = 'flink.status_record',
    'sink.buffer-flush.max-rows' = '1000',
    'sink.buffer-flush.interval' = '100 ms',
    'sink.max-retries' = '10'
);

INSERT INTO status_record
SELECT topic, source_partition, source_offset, `key`, `value`, DECODE(headers['ce_type'], 'UTF-8')
FROM status_topic
WHERE DECODE(`key`, 'UTF-8') <> ':alive';
