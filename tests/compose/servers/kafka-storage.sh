#!/bin/sh
KAFKA_HEAP_OPTS=-Xmx128m
export KAFKA_HEAP_OPTS
exec /opt/kafka/bin/kafka-run.sh kafka.tools.StorageTool "$@"
