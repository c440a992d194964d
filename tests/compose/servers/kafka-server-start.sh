#!/bin/sh
exec /opt/kafka/bin/kafka-run.sh kafka.Kafka "$@"
