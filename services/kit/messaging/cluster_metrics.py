"""What a consumer knows of its Kafka: brokers, copies, records that come, and when it last had an answer."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from aiokafka import TopicPartition

from services.kit.messaging.aiokafka_internals import ClusterState
from services.kit.observability import metrics


class ClusterMetrics:
    """`consumer` labels them."""

    def __init__(self, consumer: str) -> None:
        self._consumer = consumer
        self._ends: dict[TopicPartition, int] = {}
        metrics.KAFKA_RECORDS.add(0, {"consumer": consumer})

    def measure(self, ends: Mapping[TopicPartition, int], cluster: ClusterState, answered_at: float) -> None:
        """`ends` of the partitions that the consumer has now; `answered_at` by `time.monotonic()`."""
        labels = {"consumer": self._consumer}
        # A partition that has just been given to it brings no records with it, and one that was made anew ends earlier.
        came = sum(max(0, end - self._ends.get(partition, end)) for partition, end in ends.items())
        self._ends = {partition: end for partition, end in ends.items() if end}
        metrics.KAFKA_RECORDS.add(came, labels)
        metrics.KAFKA_BROKERS.set(cluster.brokers, labels)
        metrics.KAFKA_DEGRADED.set(cluster.degraded, labels)
        since = timedelta(seconds=time.monotonic() - answered_at)
        metrics.KAFKA_ANSWER_AGE.set_oldest(datetime.now(UTC) - since, **labels)
