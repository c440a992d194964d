"""One Apache Kafka broker (KRaft, broker and controller in one process) from jars.

Acknowledged records survive a kill, because the operating system keeps what was written.
"""

import asyncio
import base64
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from deploy.local.processes.ports import LOOPBACK, remembered_ports
from deploy.local.processes.process import Process
from deploy.local.servers import jars
from deploy.local.servers.java import java_program
from deploy.local.servers.server import LocalServer

PREFERRED_PORT = 19092
"""The controller's is the next one."""
FORMAT_TIMEOUT_S = 60
HEAP_MB = 384

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
    def __init__(self, folder: Path, cache: Path) -> None:
        super().__init__("Kafka", folder)
        self.cache = cache
        self.port = 0

    @property
    def address(self) -> str:
        return f"{LOOPBACK}:{self.port}"

    def prepare(self) -> None:
        """Fetches jars and formats the data folder once. Raises StartFailed, JarsMissing."""
        class_path = ":".join(str(jar) for jar in jars.ensure("kafka", self.cache))
        data, configuration = self.folder / "data", self.folder / "server.properties"
        if not self.port:
            ports = remembered_ports(self.folder, ("port", "controller-port"), PREFERRED_PORT)
            self.port = ports["port"]
            configuration.write_text(
                PROPERTIES.format(
                    host=LOOPBACK, port=self.port, controller_port=ports["controller-port"], data=data.as_posix()
                )
            )
        if not (data / "meta.properties").exists():
            # One argument: one id in 64 begins with a dash, and by itself would be read as an option.
            format_it = ("format", f"--cluster-id={new_cluster_id()}", "-c", configuration, "--ignore-formatted")
            command = _java(class_path, "-Xmx128m", "kafka.tools.StorageTool", *format_it)
            Process("Kafka's format", command, log=self.log, cwd=self.folder).run(FORMAT_TIMEOUT_S)
        self.command = _java(class_path, f"-Xmx{HEAP_MB}m", "kafka.Kafka", configuration)

    def is_ready(self) -> bool:
        return broker_count(self.address) > 0


def _java(class_path: str, heap: str, *arguments: str | Path) -> list[str | Path]:
    options = ("-XX:+UseSerialGC", "-XX:+ExitOnOutOfMemoryError", heap)
    return [java_program(), *options, "-cp", class_path, "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", *arguments]


def new_cluster_id() -> str:
    """22 characters of base64url."""
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")


def broker_count(addresses: str, timeout_s: float = 2) -> int:
    """Alive brokers of `host:port[,host:port]`; 0 without an answer. Blocking."""
    # In a thread, because the caller's may have an event loop running.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, _broker_count(addresses, timeout_s)).result()


async def _broker_count(addresses: str, timeout_s: float) -> int:
    admin = AIOKafkaAdminClient(bootstrap_servers=addresses)
    try:
        async with asyncio.timeout(timeout_s):
            await admin.start()
            return len((await admin.describe_cluster())["brokers"])
    except (KafkaError, OSError, ValueError):
        return 0
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
