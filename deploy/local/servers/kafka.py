"""One real Apache Kafka broker (KRaft: broker and controller in one process), from jars and a Java runtime by wheel.

What is acknowledged survives a kill of the broker, because the operating system keeps what was written; the data
folder and the port stay, so that a broker killed and started again is the same one to its clients.
"""

import base64
import socket
import struct
import uuid
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from deploy.local.processes.ports import LOOPBACK, remembered_port
from deploy.local.processes.process import Process, StartFailed, tail, wait_until
from deploy.local.servers import jars
from deploy.local.servers.java import java_program
from deploy.local.servers.server import LocalServer

PREFERRED_PORT = 19092
PREFERRED_CONTROLLER_PORT = 19093
FORMAT_TIMEOUT_S = 60
HEAP_MB = 384
METADATA_REQUEST = 3
METADATA_VERSION = 4

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


@dataclass
class Kafka(LocalServer):
    """One broker. `folder` holds its data, log, configuration and ports, and may be used again by a later start."""

    folder: Path
    cache: Path
    port: int = 0
    controller_port: int = 0
    settings: dict[str, str] = field(default_factory=dict)
    process: Process | None = field(default=None, init=False, repr=False)
    name: str = field(default="Kafka", init=False)

    def __post_init__(self) -> None:
        self.folder = self.folder.absolute()
        self.data = self.folder / "data"

    @property
    def address(self) -> str:
        """`host:port`, what clients take as their bootstrap server."""
        return f"{LOOPBACK}:{self.port}"

    def launch(self) -> None:
        """Start it, fetching jars and formatting the data folder at the first time. Raises StartFailed, JarsMissing."""
        class_path = ":".join(str(jar) for jar in jars.ensure("kafka", self.cache))
        self.port = self.port or remembered_port(self.folder / "port", PREFERRED_PORT)
        self.controller_port = self.controller_port or remembered_port(
            self.folder / "controller-port", PREFERRED_CONTROLLER_PORT
        )
        configuration = self._configure()
        if not (self.data / "meta.properties").exists():
            self._format(class_path, configuration)
        self.process = self._java("kafka", class_path, f"-Xmx{HEAP_MB}m", "kafka.Kafka", configuration)
        self.process.start()

    def stop(self) -> None:
        """Orderly: the broker hands over, flushes and ends."""
        if self.process:
            self.process.stop(timeout_s=30)

    def is_ready(self) -> bool:
        """Whether the broker answers a metadata request and names itself as alive."""
        return broker_count(self.address) > 0

    def _configure(self) -> Path:
        text = PROPERTIES.format(
            host=LOOPBACK, port=self.port, controller_port=self.controller_port, data=self.data.as_posix()
        )
        text += "".join(f"{key}={value}\n" for key, value in self.settings.items())
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / "server.properties"
        path.write_text(text)
        return path

    def _format(self, class_path: str, configuration: Path) -> None:
        # One word: one id in 64 begins with a dash, and as a word of its own would be read as an option.
        arguments = ("format", f"--cluster-id={new_cluster_id()}", "-c", configuration, "--ignore-formatted")
        process = self._java("kafka-format", class_path, "-Xmx128m", "kafka.tools.StorageTool", *arguments)
        process.start()
        try:
            wait_until(lambda: process.poll() is not None, what="Kafka's format", timeout_s=FORMAT_TIMEOUT_S)
            if process.poll() != 0:
                raise StartFailed(f"Kafka: the data folder could not be formatted.\n{tail(process.log)}")
        finally:
            process.kill()

    def _java(self, name: str, class_path: str, heap: str, *arguments: str | Path) -> Process:
        options = ("-XX:+UseSerialGC", "-XX:+ExitOnOutOfMemoryError", heap)
        logging = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"
        command = [java_program(), *options, "-cp", class_path, logging, *arguments]
        return Process(name, command, log=self.folder / f"{name}.log", cwd=self.folder)


def new_cluster_id() -> str:
    """A random UUID as Kafka writes it: 22 characters of base64url."""
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")


def broker_count(address: str, timeout_s: float = 2) -> int:
    """How many brokers a Kafka names in its metadata; 0 when it does not answer. Blocking, no client library."""
    host, _, port = address.rpartition(":")
    if not port.isdigit():
        return 0
    # Header: key, version, correlation id, no client id. Body: no topics, no creation.
    request = struct.pack(">hhihib", METADATA_REQUEST, METADATA_VERSION, 1, -1, 0, 0)
    with suppress(OSError, struct.error), socket.create_connection((host, int(port)), timeout=timeout_s) as connection:
        connection.settimeout(timeout_s)
        connection.sendall(struct.pack(">i", len(request)) + request)
        answer = connection.recv(16)  # length, correlation id, throttle time, count of brokers
        return int(struct.unpack(">iiii", answer)[3])
    return 0
