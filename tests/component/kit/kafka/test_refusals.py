"""A wrong password and a topic that is not granted are security events of the service that meets them."""

import secrets
from dataclasses import replace
from pathlib import Path

import pytest
from aiokafka.errors import KafkaConnectionError
from structlog.testing import capture_logs

from schemas.topics import Topics
from services.kit.kafka import refusals
from services.kit.provisioning.acls import set_acls
from services.kit.provisioning.kafka_users import as_service, create_users
from services.kit.provisioning.topics import create_topics
from services.kit.runtime.background import background
from services.kit.runtime.health import Health
from tests.support.kafka.topics import Producer
from tests.support.servers.tls_kafka import TlsKafka
from tests.support.waiting import eventually


async def test_a_wrong_password_and_a_topic_that_is_not_granted_are_in_the_log_of_security_events(
    broker: TlsKafka, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refusals, "_logged_at", {})
    topics, passwords = Topics(f"t{secrets.token_hex(3)}"), tmp_path / "passwords"
    await create_topics(broker.address, topics, ["library"], partitions=1)
    await create_users(broker.address, ["library"], passwords, namespace=topics.namespace)
    await set_acls(broker.address, topics, ["library"])
    library = as_service(broker.address, "library", passwords, namespace=topics.namespace)
    wrong = tmp_path / "wrong"
    wrong.write_text("not the password")

    async def write_what_is_the_clearances() -> None:
        async with Producer(library) as producer:
            await producer.send(topics.case, b"TS20260001", b"{}")

    with capture_logs() as lines:

        def causes() -> list[str]:
            return [line["cause"] for line in lines if line["event"] == "kafka.refused"]

        with pytest.raises(KafkaConnectionError):
            async with Producer(replace(library, sasl_password_file=wrong)):
                pass
        assert causes() == ["authentication"]

        async def is_refused() -> bool:
            return causes() == ["authentication", "authorization"]

        async with background("writer", write_what_is_the_clearances, Health()):
            await eventually(is_refused, what="the refused topic to be logged")
    assert str(wrong) not in str(lines)
    assert "not the password" not in str(lines)
