"""OAUTHBEARER at a real broker: a service is who its token names, for as long as the token's issuer says so."""

import secrets
from collections.abc import Sequence
from pathlib import Path
from time import time
from typing import Any

import asyncpg
import pytest
from aiokafka.errors import KafkaConnectionError, TopicAuthorizationFailedError
from joserfc import jwt
from joserfc.jwk import RSAKey

from schemas.topics import Topics
from services.kit.department.migration_folders import DEPARTMENT_FOLDERS
from services.kit.kafka.connecting import PasswordFile
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
from services.kit.provisioning.topics import create_topics
from services.kit.runtime.background import background
from services.kit.runtime.health import Health
from tests.support.kafka.outbox import case_of, say
from tests.support.kafka.topics import Producer
from tests.support.servers.tls_kafka import AUDIENCE, ISSUER, TlsKafka
from tests.support.waiting import eventually

STUDENT = "TS20260001"


def token(key: RSAKey, service: str, **claims: Any) -> str:
    now = int(time())
    header = {"alg": "RS256", "kid": key.kid}
    known = {"iss": ISSUER, "aud": AUDIENCE, "sub": f"svc-{service}", "iat": now, "exp": now + 300, **claims}
    return jwt.encode(header, known, key)


def by_token(broker: TlsKafka, file: Path, text: str) -> KafkaConnection:
    file.write_text(text + "\n")
    return KafkaConnection(broker.token, "SASL_PLAINTEXT", sasl_mechanism="OAUTHBEARER", sasl_password_file=file)


async def test_services_write_and_read_by_their_tokens_whose_connections_end_and_no_topic_of_another(
    database: str, broker: TlsKafka, token_key: RSAKey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Path] = []
    as_is = PasswordFile.read

    def counted(file: PasswordFile) -> str:
        read.append(file.path)
        return as_is(file)

    monkeypatch.setattr(PasswordFile, "read", counted)
    topics = Topics(f"t{secrets.token_hex(3)}")
    await create_topics(broker.address, topics, ["library"], partitions=1)
    await set_acls(broker.address, topics, ["library"], principal="User:svc-{service}")
    clearance = by_token(broker, tmp_path / "clearance", token(token_key, "clearance"))
    library = by_token(broker, tmp_path / "library", token(token_key, "library"))
    await migrate(database, DEPARTMENT_FOLDERS)
    stored: list[int] = []
    router = TransactionalRouter(group=topics.group("library"), session_timeout_s=6)
    batches = router.subscriber(topics.case, batch=True)

    @batches()
    async def store(records: Sequence[Any], connection: Transaction) -> list[DeadLetter]:
        stored.extend(case.version for case in map(case_of, records) if case)
        return []

    async def say_all(*versions: int) -> None:
        connection = await asyncpg.connect(database)
        for version in versions:
            await say(connection, topics, STUDENT, version)
        await connection.close()

    async def is_stored(*versions: int) -> bool:
        return stored == list(versions)

    async def have_connected_again(before: int) -> bool:
        return read[before:].count(tmp_path / "library") >= 2

    async with await open_pool(database, name="test") as pool:
        reader = TransactionalConsumer(router, name="test", pool=pool, kafka=library)
        relay = Relay(database, kafka=clearance, name="test", wakeup=Wakeup())
        async with background("relay", relay.run, Health()), background("reader", reader.run, Health()):
            await say_all(1, 2)
            await eventually(lambda: is_stored(1, 2), what="the events of a service with a token", timeout_s=60)
            before = len(read)
            await eventually(lambda: have_connected_again(before), what="connections by newer tokens", timeout_s=60)
            await say_all(3)
            await eventually(lambda: is_stored(1, 2, 3), what="an event after it", timeout_s=60)
    async with Producer(library) as producer:
        with pytest.raises(TopicAuthorizationFailedError):
            await producer.send(topics.case, STUDENT.encode(), b"{}")


async def test_a_token_that_is_over_forged_or_for_somebody_else_opens_nothing_and_the_next_one_in_the_file_does(
    broker: TlsKafka, token_key: RSAKey, tmp_path: Path
) -> None:
    forged = RSAKey.generate_key(2048, {"kid": str(token_key.kid)}, auto_kid=False)
    over = int(time()) - 600
    kafka = by_token(broker, tmp_path / "token", token(token_key, "library", exp=over, iat=over - 300))
    for wrong in (
        "",
        token(forged, "library"),
        token(token_key, "library", aud="another"),
        token(token_key, "library", iss="https://elsewhere.example"),
    ):
        with pytest.raises(KafkaConnectionError):
            async with Producer(kafka):
                pass
        (tmp_path / "token").write_text(wrong)
    with pytest.raises(KafkaConnectionError):
        async with Producer(kafka):
            pass
    (tmp_path / "token").write_text(token(token_key, "library"))
    async with Producer(kafka):
        pass
