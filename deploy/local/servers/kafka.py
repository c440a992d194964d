"""One Apache Kafka broker (KRaft, broker and controller in one process) from jars.

Acknowledged records survive a kill, because the operating system keeps what was written. Everybody has to sign in, and
may do what ACLs grant: the superuser with PLAIN, whose password is in the configuration, services with SCRAM.
"""

import asyncio
import os
import secrets
from collections.abc import Sequence
from contextlib import suppress
from typing import ClassVar, Self, TypeAlias

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from pydantic import ValidationError

from deploy.local.processes.ports import LOOPBACK
from deploy.local.processes.process import Process, StartFailed
from deploy.local.servers import jars
from deploy.local.servers.server import ANSWER_TIMEOUT_S, LocalServer, Running
from services.kit.kafka.connection import KafkaConnection
from services.kit.kafka.settings import KafkaSettings
from services.kit.provisioning.kafka_users import password_in
from services.kit.runtime.private_files import write_private
from services.kit.settings import PREFIX, explained

FORMAT_TIMEOUT_S = 60
FORMAT_HEAP_MB = 128

SUPERUSER = "lixiao"
PASSWORD_FILE = "password"

PROPERTIES = """\
process.roles=broker,controller
node.id=1
listeners=SASL_PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller_port}
advertised.listeners=SASL_PLAINTEXT://{host}:{port}
controller.listener.names=CONTROLLER
inter.broker.listener.name=SASL_PLAINTEXT
listener.security.protocol.map=CONTROLLER:SASL_PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-512
sasl.mechanism.inter.broker.protocol=PLAIN
sasl.mechanism.controller.protocol=PLAIN
listener.name.sasl_plaintext.plain.sasl.jaas.config={plain}
listener.name.sasl_plaintext.scram-sha-512.sasl.jaas.config={scram}
listener.name.controller.sasl.enabled.mechanisms=PLAIN
listener.name.controller.plain.sasl.jaas.config={plain}
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:{superuser}
controller.quorum.voters=1@{host}:{controller_port}
log.dirs={data}
broker.heartbeat.interval.ms=1000
metadata.max.idle.interval.ms=5000
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
group.coordinator.threads=1
log.cleaner.dedupe.buffer.size=16777216
"""
SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
PLAIN = (
    "org.apache.kafka.common.security.plain.PlainLoginModule required "
    'username="{user}" password="{password}" user_{user}="{password}";'
)


class Kafka(LocalServer[KafkaConnection]):
    preferred_port = 19092
    port_names: ClassVar[Sequence[str]] = ("port", "controller-port")
    heap_mb: ClassVar[int] = 384

    @property
    def cluster_id(self) -> str:
        """Of a cluster that is made now."""
        return secrets.token_urlsafe(16)

    @property
    def java_options(self) -> Sequence[str]:
        return ()

    @property
    def address(self) -> KafkaConnection:
        """The superuser's."""
        return KafkaConnection(
            f"{LOOPBACK}:{self.ports['port']}",
            security_protocol="SASL_PLAINTEXT",
            sasl_mechanism="PLAIN",
            sasl_username=SUPERUSER,
            sasl_password_file=self.folder / PASSWORD_FILE,
        )

    @classmethod
    def address_in_environment(cls) -> KafkaConnection | None:
        """Also `LIXIAO_KAFKA_SECURITY_PROTOCOL` and the other variables of a client."""
        if not os.environ.get("LIXIAO_KAFKA"):
            return None
        try:
            return KafkaSettings(_env_prefix=PREFIX, _env_ignore_empty=True).kafka_connection
        except ValidationError as error:
            raise StartFailed("\n".join(explained(error))) from None

    @classmethod
    def variables(cls, address: KafkaConnection) -> dict[str, str]:
        return address.variables()

    @staticmethod
    def shown(address: KafkaConnection) -> str:
        return address.bootstrap_servers

    @property
    def properties(self) -> str:
        password = password_in(self.folder / PASSWORD_FILE)
        return PROPERTIES.format(
            host=LOOPBACK,
            port=self.ports["port"],
            controller_port=self.ports["controller-port"],
            data=(self.folder / "data").as_posix(),
            scram=SCRAM,
            plain=PLAIN.format(user=SUPERUSER, password=password),
            superuser=SUPERUSER,
        )

    def start(self) -> Self:
        """Fetches jars and formats the data folder once."""
        options = ["-cp", ":".join(map(str, jars.ensure("kafka"))), "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"]
        self.env = {**os.environ, **jars.UNICODE}
        data, configuration = self.folder / "data", self.folder / "server.properties"
        # Java reads a file of properties as Latin-1.
        write_private(configuration, _ascii(self.properties))
        if not (data / "meta.properties").exists():
            # One argument: one id in 64 begins with a dash, and by itself would be read as an option.
            cluster_id = f"--cluster-id={self.cluster_id}"
            format_it = ("kafka.tools.StorageTool", "format", cluster_id, "-c", configuration, "--ignore-formatted")
            command = jars.java(FORMAT_HEAP_MB, jars.BRIEFLY, *options, *format_it)
            Process("Kafka's format", command, log=self.log, cwd=self.folder, env=self.env).run(FORMAT_TIMEOUT_S)
        self.command = jars.java(self.heap_mb, *self.java_options, *options, "kafka.Kafka", configuration)
        return super().start()

    @staticmethod
    async def answers(address: KafkaConnection, timeout_s: float = ANSWER_TIMEOUT_S) -> bool:
        admin = AIOKafkaAdminClient(**address.options())
        try:
            async with asyncio.timeout(timeout_s):
                await admin.start()
                return bool((await admin.describe_cluster())["brokers"])
        except (KafkaError, OSError, ValueError):
            return False
        finally:
            with suppress(KafkaError, OSError):
                await admin.close()


def _ascii(properties: str) -> str:
    """With escapes, which are of UTF-16: `java.util.Properties`."""
    units = memoryview(properties.encode("utf-16")).cast("H")[1:]
    return "".join(chr(unit) if unit < 0x80 else f"\\u{unit:04x}" for unit in units)


RunningKafka: TypeAlias = Running[KafkaConnection]


async def delete_topics(kafka: KafkaConnection, namespace: str) -> None:
    """Partitions of old runs slow a broker down."""
    admin = AIOKafkaAdminClient(**kafka.options())
    await admin.start()
    try:
        old = [topic for topic in await admin.list_topics() if topic.startswith(f"{namespace}.")]
        if old:
            await admin.delete_topics(old, timeout_ms=10_000)
    finally:
        await admin.close()
