"""One Apache Kafka broker (KRaft, broker and controller in one process) from jars.

Acknowledged records survive a kill, because the operating system keeps what was written.
"""

import asyncio
import secrets
from contextlib import suppress
from typing import Self

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from deploy.local.processes.ports import LOOPBACK
from deploy.local.processes.process import Process
from deploy.local.servers import jars
from deploy.local.servers.server import ANSWER_TIMEOUT_S, LocalServer

FORMAT_TIMEOUT_S = 60
HEAP_MB = 384
FORMAT_HEAP_MB = 128

PROPERTIES = """\
process.roles=broker,controller
node.id=1
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller_port}
advertised.listeners=PLAINTEXT://{host}:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
controller.quorum.voters=1@{host}:{controller_port}
log.dirs={data}
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=4000
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=4
group.initial.rebalance.delay.ms=0
num.io.threads=2
num.network.threads=2
log.cleaner.dedupe.buffer.size=16777216
"""


class Kafka(LocalServer):
    preferred_port = 19092
    port_names = ("port", "controller-port")

    @property
    def address(self) -> str:
        return f"{LOOPBACK}:{self.ports['port']}"

    def start(self) -> Self:
        """Fetches jars and formats the data folder once."""
        options = ["-cp", ":".join(map(str, jars.ensure("kafka"))), "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"]
        data, configuration = self.folder / "data", self.folder / "server.properties"
        port, controller_port = self.ports.values()
        configuration.write_text(
            PROPERTIES.format(host=LOOPBACK, port=port, controller_port=controller_port, data=data.as_posix())
        )
        if not (data / "meta.properties").exists():
            # One argument: one id in 64 begins with a dash, and by itself would be read as an option.
            cluster_id = f"--cluster-id={secrets.token_urlsafe(16)}"
            format_it = ("kafka.tools.StorageTool", "format", cluster_id, "-c", configuration, "--ignore-formatted")
            command = jars.java(FORMAT_HEAP_MB, *options, *format_it)
            Process("Kafka's format", command, log=self.log, cwd=self.folder).run(FORMAT_TIMEOUT_S)
        self.command = jars.java(HEAP_MB, *options, "kafka.Kafka", configuration)
        return super().start()

    @staticmethod
    async def answers(address: str, timeout_s: float = ANSWER_TIMEOUT_S) -> bool:
        admin = AIOKafkaAdminClient(bootstrap_servers=address)
        try:
            async with asyncio.timeout(timeout_s):
                await admin.start()
                return bool((await admin.describe_cluster())["brokers"])
        except (KafkaError, OSError, ValueError):
            return False
        finally:
            with suppress(KafkaError, OSError):
                await admin.close()


async def delete_topics(kafka: str, namespace: str) -> None:
    """Partitions of old runs slow a broker down."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        old = [topic for topic in await admin.list_topics() if topic.startswith(f"{namespace}.")]
        if old:
            await admin.delete_topics(old, timeout_ms=10_000)
    finally:
        await admin.close()
