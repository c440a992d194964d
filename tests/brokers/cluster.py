"""Three Kafka brokers on this machine, each broker and controller, of one cluster."""

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient

from deploy.local.processes.ports import LOOPBACK
from deploy.local.servers.kafka import PASSWORD_FILE, Kafka
from services.kit.kafka.connection import KafkaConnection
from services.kit.provisioning.kafka_users import new_password
from services.kit.runtime.private_files import write_private
from tests.support.waiting import eventually

SIZE: Final = 3
JOINED_WITHIN_S: Final = 90
REPLICATED: Final = (
    "offsets.topic.replication.factor",
    "transaction.state.log.replication.factor",
    "share.coordinator.state.topic.replication.factor",
)


class Broker(Kafka):
    """`cluster`: all of them, this one too."""

    heap_mb = 192
    preferred_port = 0

    def __init__(self, state: Path, number: int, cluster: "Cluster") -> None:
        super().__init__(state / f"broker-{number}")
        self.name = f"broker {number}"
        self.number, self._cluster = number, cluster

    @property
    def cluster_id(self) -> str:
        return self._cluster.cluster_id

    @property
    def voter(self) -> str:
        return f"{self.number}@{LOOPBACK}:{self.ports['controller-port']}"

    @property
    def properties(self) -> str:
        own = {
            "node.id": str(self.number),
            "controller.quorum.voters": ",".join(broker.voter for broker in self._cluster.brokers),
            "broker.session.timeout.ms": "3000",
            **dict.fromkeys(REPLICATED, str(SIZE)),
            "transaction.state.log.min.isr": "2",
            "share.coordinator.state.topic.min.isr": "2",
        }
        lines = [line for line in super().properties.splitlines() if line.partition("=")[0] not in own]
        return "\n".join([*lines, *(f"{key}={value}" for key, value in own.items())]) + "\n"


class Cluster:
    """Replication and `min.insync.replicas` of the topics are left to provisioning."""

    def __init__(self, state: Path) -> None:
        self.cluster_id: Final = secrets.token_urlsafe(16)
        self.brokers: Final = [Broker(state, number, self) for number in range(1, SIZE + 1)]
        password = new_password()
        for broker in self.brokers:
            write_private(broker.folder / PASSWORD_FILE, password)

    @cached_property
    def address(self) -> KafkaConnection:
        """The superuser's."""
        addresses = ",".join(broker.address.bootstrap_servers for broker in self.brokers)
        return replace(self.brokers[0].address, bootstrap_servers=addresses)

    async def start(self, brokers: Sequence[Broker] = ()) -> None:
        """These or all; returns when all are members."""
        for broker in brokers or self.brokers:
            await asyncio.to_thread(broker.start)
        await eventually(self._complete, what=f"{SIZE} brokers", timeout_s=JOINED_WITHIN_S, poll_s=0.2)

    def stop(self) -> None:
        """At once: nothing of it is kept."""
        for broker in self.brokers:
            broker.kill()

    async def replicas(self, topics: Sequence[str]) -> list[tuple[int, int, int]]:
        """Of each partition: replicas, those in sync, leader (-1: none)."""
        admin = AIOKafkaAdminClient(**self.address.options())
        await admin.start()
        try:
            described: list[dict[str, Any]] = await admin.describe_topics(list(topics))
        finally:
            await admin.close()
        return [
            (len(part["replicas"]), len(part["isr"]), part["leader"])
            for topic in described
            for part in topic["partitions"]
        ]

    async def _complete(self) -> bool:
        for broker in self.brokers:
            if broker.poll() is not None:
                raise AssertionError(f"{broker.name} has ended.{broker.last_lines()}")
        # Each is asked: one that has just started may not know the others yet.
        answers = [await asyncio.to_thread(broker.is_reachable, broker.address) for broker in self.brokers]
        return all(answers)
