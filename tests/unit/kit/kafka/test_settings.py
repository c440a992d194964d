"""How a client connects to Kafka is checked when a service starts."""

from pathlib import Path

import pytest

from services.kit.kafka.connection import KafkaConnection
from services.kit.settings import Settings, load
from tests.support.certificates import Authority


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Complete but for what a test sets."""
    for name in Settings.model_fields:
        monkeypatch.delenv(f"LIXIAO_{name.upper()}", raising=False)
    monkeypatch.setenv("LIXIAO_KAFKA", "kafka:9092")
    monkeypatch.setenv("LIXIAO_DATABASE", "postgresql://library@127.0.0.1/library")
    return monkeypatch


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    file = tmp_path / "password"
    file.write_text("hush-hush\n")
    return file


def kafka(environment: pytest.MonkeyPatch, **variables: str | Path) -> KafkaConnection:
    for name, value in variables.items():
        environment.setenv(f"LIXIAO_KAFKA_{name.upper()}", str(value))
    return load(Settings).kafka_connection


def test_without_more_a_client_connects_in_plain_text(environment: pytest.MonkeyPatch) -> None:
    assert kafka(environment) == KafkaConnection("kafka:9092")


def test_the_variables_of_a_connection_give_it_again(
    environment: pytest.MonkeyPatch, secret: Path, tmp_path: Path
) -> None:
    authority, (certificate, key) = Authority("ours"), (tmp_path / name for name in ("library.pem", "library.key"))
    authority.pair("library").write(certificate, key)
    (tmp_path / "ca.pem").write_bytes(authority.certificate)
    connection = KafkaConnection(
        "kafka:9093", "SASL_SSL", "SCRAM-SHA-512", "lixiao.library", secret, tmp_path / "ca.pem", certificate, key
    )
    for variable, value in connection.variables().items():
        environment.setenv(variable, value)
    assert load(Settings).kafka_connection == connection
    assert "hush-hush" not in repr(connection)


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"security_protocol": "SSL3"}, "SECURITY_PROTOCOL is wrong"),
        ({"security_protocol": "SASL_SSL"}, "SASL_MECHANISM is wrong: Value error, SASL_SSL needs it"),
        (
            {"security_protocol": "SASL_SSL", "sasl_mechanism": "SCRAM-SHA-512"},
            "SASL_USERNAME is wrong: Value error, SASL_SSL needs it",
        ),
        (
            {"security_protocol": "SASL_SSL", "sasl_mechanism": "SCRAM-SHA-512", "sasl_username": "lixiao.library"},
            "SASL_PASSWORD_FILE is wrong: Value error, SASL_SSL needs it",
        ),
        (
            {"security_protocol": "SASL_SSL", "sasl_mechanism": "OAUTHBEARER", "sasl_username": "lixiao.library"},
            "SASL_USERNAME is wrong: Value error, OAUTHBEARER takes the name from the token",
        ),
        ({"sasl_mechanism": "PLAIN"}, "SASL_MECHANISM is wrong: Value error, it has no use with"),
        ({"ssl_cafile": "/etc/hosts"}, "SSL_CAFILE is wrong: Value error, it has no use with"),
        (
            {"security_protocol": "SSL", "ssl_cafile": "/nowhere/ca.pem"},
            "SSL_CAFILE is wrong: Value error, the file cannot be read: No such file",
        ),
        (
            {"security_protocol": "SSL", "ssl_keyfile": "/etc/hosts"},
            "SSL_KEYFILE is wrong: Value error, LIXIAO_KAFKA_SSL_CERTFILE is needed beside it",
        ),
        (
            {"security_protocol": "SSL", "ssl_certfile": "/etc/hosts"},
            "SSL_KEYFILE is wrong: Value error, certificate, key and authorities cannot be used together",
        ),
    ],
)
def test_what_does_not_fit_is_named_before_anything_connects(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], variables: dict[str, str], named: str
) -> None:
    with pytest.raises(SystemExit):
        kafka(environment, **variables)
    assert f"LIXIAO_KAFKA_{named}" in capsys.readouterr().err


def test_an_empty_password_file_is_refused(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], secret: Path
) -> None:
    secret.write_text("")
    with pytest.raises(SystemExit):
        kafka(
            environment,
            security_protocol="SASL_SSL",
            sasl_mechanism="PLAIN",
            sasl_username="library",
            sasl_password_file=secret,
        )
    assert "LIXIAO_KAFKA_SASL_PASSWORD_FILE is wrong: Value error, the file is empty" in capsys.readouterr().err
