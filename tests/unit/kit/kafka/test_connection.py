"""One connection gives the arguments of every client, and what it proves itself with is read when it connects."""

import ssl
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka import client as aiokafka_client
from aiokafka.admin import AIOKafkaAdminClient
from faststream.kafka import KafkaBroker

from services.kit.kafka import connecting
from services.kit.kafka.connecting import PasswordFile
from services.kit.kafka.connection import KafkaConnection, SaslMechanism, SecurityProtocol
from tests.support.certificates import Authority


@pytest.fixture
def password(tmp_path: Path) -> Path:
    file = tmp_path / "password"
    file.write_text("first\n")
    return file


@pytest.fixture
def authorities(tmp_path: Path) -> Path:
    file = tmp_path / "ca.pem"
    file.write_bytes(Authority("ours").certificate)
    return file


@pytest.mark.parametrize("protocol", ["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"])
@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN", "OAUTHBEARER"])
async def test_every_client_takes_it_and_faststream_gives_its_clients_the_same(
    protocol: SecurityProtocol, mechanism: SaslMechanism, password: Path, authorities: Path
) -> None:
    kafka = KafkaConnection("kafka:9092", protocol, mechanism, "library", password, authorities)
    options = kafka.options()
    for kind in (AIOKafkaProducer, AIOKafkaConsumer, AIOKafkaAdminClient):
        kind(**options)
    broker = KafkaBroker(**kafka.broker_options(), logger=None)
    given: dict[str, Any] = broker._connection_kwargs
    assert given["bootstrap_servers"] == ["kafka:9092"]
    assert given["security_protocol"] == options["security_protocol"] == protocol
    for name in ("sasl_mechanism", "sasl_plain_username", "sasl_plain_password"):
        assert given.get(name) == options.get(name)
    for name in ("sasl_oauth_token_provider", "ssl_context"):
        assert type(given.get(name)) is type(options.get(name))


async def test_each_of_several_brokers_is_an_address_of_its_own() -> None:
    kafka = KafkaConnection("kafka1:9092, kafka2:9092,kafka3:9092")
    broker = KafkaBroker(**kafka.broker_options(), logger=None)
    assert broker._connection_kwargs["bootstrap_servers"] == ["kafka1:9092", "kafka2:9092", "kafka3:9092"]
    client = AIOKafkaAdminClient(**kafka.options())
    assert {host for host, *_ in client._client.hosts} == {"kafka1", "kafka2", "kafka3"}


async def test_the_password_is_read_at_each_connection(password: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[Any] = []

    async def connect(*_: Any, sasl_plain_password: Any = None, **__: Any) -> None:
        given.append(sasl_plain_password)

    monkeypatch.setattr(connecting, "_create_conn_with_text", connect)
    options = KafkaConnection("kafka:9092", "SASL_PLAINTEXT", "PLAIN", "library", password).options()
    for text in ("first", "second\n", " third"):
        password.write_text(text)
        await aiokafka_client.create_conn(sasl_plain_password=options["sasl_plain_password"])
    await aiokafka_client.create_conn(sasl_plain_password="a text")
    await aiokafka_client.create_conn()
    assert given == ["first", "second", "third", "a text", None]


async def test_the_token_is_read_at_each_connection(password: Path) -> None:
    provider = KafkaConnection("", "SASL_SSL", "OAUTHBEARER", sasl_password_file=password).options()
    assert await provider["sasl_oauth_token_provider"].token() == "first"
    password.write_text("second")
    assert await provider["sasl_oauth_token_provider"].token() == "second"


def test_each_connection_is_made_with_the_certificates_of_its_time(authorities: Path) -> None:
    context: ssl.SSLContext = KafkaConnection("", "SSL", ssl_cafile=authorities).options()["ssl_context"]

    def trusted() -> list[Any]:
        made = context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="kafka")
        assert made.context.verify_mode is ssl.CERT_REQUIRED
        assert made.context.check_hostname
        return [one["subject"] for one in made.context.get_ca_certs()]

    before = trusted()
    authorities.write_bytes(Authority("another").certificate)
    assert trusted() != before
    authorities.write_text("half of a cert")
    with pytest.raises(OSError, match="(?i)pem|certificate|x509|start line"):
        trusted()


def test_a_password_is_in_no_text_of_it(password: Path) -> None:
    kafka = KafkaConnection("kafka:9092", "SASL_SSL", "PLAIN", "library", password)
    assert "first" not in repr(kafka) + repr(kafka.variables()) + repr(PasswordFile(password))
    assert replace(kafka, sasl_username="dorm") != kafka
