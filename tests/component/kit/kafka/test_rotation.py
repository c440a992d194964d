"""Passwords, certificates and authorities are replaced under running clients, and no event is lost."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, TypeAlias

import asyncpg
import pytest
from aiokafka.errors import KafkaConnectionError

from schemas.topics import Topics
from services.kit.department.migration_folders import DEPARTMENT_FOLDERS
from services.kit.kafka.connection import KafkaConnection
from services.kit.messaging.consumer import TransactionalConsumer
from services.kit.messaging.dead_letters.store import DeadLetter
from services.kit.messaging.faststream_shell import TransactionalRouter
from services.kit.messaging.handlers import Transaction
from services.kit.messaging.outbox import Wakeup
from services.kit.messaging.relaying.relay import Relay
from services.kit.postgres.migrations import migrate
from services.kit.postgres.pool import open_pool
from services.kit.provisioning.acls import set_acls
from services.kit.provisioning.kafka_users import as_service, create_users
from services.kit.provisioning.topics import create_topics
from services.kit.runtime.background import background
from services.kit.runtime.health import Health
from tests.support.certificates import Authority
from tests.support.kafka.outbox import case_of, say
from tests.support.kafka.topics import Producer
from tests.support.servers.tls_kafka import TlsKafka
from tests.support.waiting import eventually

Pool: TypeAlias = "asyncpg.Pool[Any]"
BY_CERTIFICATE: Final = "User:CN={service}"
STUDENT: Final = "TS20260001"
RECONNECTED_WITHIN_S: Final = 90


@pytest.fixture
async def pool(database: str) -> AsyncIterator[Pool]:
    await migrate(database, DEPARTMENT_FOLDERS)
    pool = await open_pool(database, name="test")
    await pool.execute("CREATE TABLE stored (version int)")
    yield pool
    await pool.close()


def reader_of(pool: Pool, kafka: KafkaConnection, topics: Topics) -> TransactionalConsumer:
    router = TransactionalRouter(group=topics.group("library"), session_timeout_s=6)
    batches = router.subscriber(topics.case, batch=True)

    @batches()
    async def store(records: Sequence[Any], connection: Transaction) -> list[DeadLetter]:
        cases = filter(None, map(case_of, records))
        await connection.executemany("INSERT INTO stored VALUES ($1)", [(case.version,) for case in cases])
        return []

    return TransactionalConsumer(router, name="test", pool=pool, kafka=kafka)


async def test_a_password_the_certificates_and_their_authority_are_replaced_without_losing_an_event(
    pool: Pool, database: str, broker: TlsKafka, first: Authority, tmp_path: Path
) -> None:
    topics, passwords = Topics(f"t{secrets.token_hex(3)}"), tmp_path / "passwords"
    authorities, certificate, key = (tmp_path / name for name in ("ca.pem", "library.pem", "library.key"))
    authorities.write_bytes(first.certificate)
    first.pair("library").write(certificate, key)
    await create_topics(broker.address, topics, ["library"], partitions=1)
    await create_users(broker.address, ["library"], passwords, namespace=topics.namespace)
    await set_acls(broker.address, topics, ["library"])
    await set_acls(broker.address, topics, ["library"], principal=BY_CERTIFICATE)
    by_tls = replace(
        broker.address, bootstrap_servers=broker.sasl_ssl, security_protocol="SASL_SSL", ssl_cafile=authorities
    )
    by_password = as_service(by_tls, "clearance", passwords, namespace=topics.namespace)
    by_certificate = KafkaConnection(
        broker.ssl, "SSL", ssl_cafile=authorities, ssl_certfile=certificate, ssl_keyfile=key
    )

    async def publish(*versions: int) -> None:
        connection = await asyncpg.connect(database)
        for version in versions:
            await say(connection, topics, STUDENT, version)
        await connection.close()

    async def stored() -> list[int]:
        return [row["version"] for row in await pool.fetch("SELECT version FROM stored ORDER BY ctid")]

    relay = Relay(database, kafka=by_password, name="test", wakeup=Wakeup())
    reader = reader_of(pool, by_certificate, topics)
    async with background("relay", relay.run, Health()), background("reader", reader.run, Health()):
        await publish(1, 2)
        await eventually(lambda: _equal(stored, [1, 2]), what="events before", timeout_s=RECONNECTED_WITHIN_S)

        old_password = tmp_path / "old-password"
        old_password.write_text((passwords / "clearance").read_text())
        await create_users(broker.address, ["library"], passwords, namespace=topics.namespace, rotate=["clearance"])
        await publish(3)  # over the connection that is open
        second = Authority("second")
        old_certificate, old_key = tmp_path / "old.pem", tmp_path / "old.key"
        certificate.rename(old_certificate)
        key.rename(old_key)
        second.pair("library").write(certificate, key)
        authorities.write_bytes(first.certificate + second.certificate)
        broker.kill()
        await publish(4, 5)
        broker.trust(second)
        await asyncio.to_thread(lambda: broker.start().wait_ready())
        await publish(6)
        await eventually(
            lambda: _equal(stored, [1, 2, 3, 4, 5, 6]),
            what="every event, once and in order",
            timeout_s=RECONNECTED_WITHIN_S,
        )

    for refused in (
        replace(by_password, sasl_password_file=old_password),
        replace(by_certificate, ssl_certfile=old_certificate, ssl_keyfile=old_key),
        replace(by_certificate, ssl_certfile=None, ssl_keyfile=None),
    ):
        with pytest.raises(KafkaConnectionError):
            async with Producer(refused):
                pass


async def _equal(stored: Any, versions: Sequence[int]) -> bool:
    return bool(await stored() == list(versions))
