"""The variables of a `KafkaConnection`, checked at start."""

import ssl
from pathlib import Path
from typing import Annotated, Final

from pydantic import Field, ValidationInfo, field_validator
from pydantic_settings import BaseSettings

from services.kit.kafka.connection import KafkaConnection, SaslMechanism, SecurityProtocol

_SERVER = r"[A-Za-z0-9._-]+:[0-9]{1,5}"
Bootstrap = Annotated[str, Field(pattern=rf"^{_SERVER}(,{_SERVER}){{0,31}}$")]
_OF_SASL: Final = ("kafka_sasl_mechanism", "kafka_sasl_username", "kafka_sasl_password_file")
_OF_TLS: Final = ("kafka_ssl_cafile", "kafka_ssl_certfile", "kafka_ssl_keyfile")


class KafkaSettings(BaseSettings):
    """Without a prefix: whose settings these are, says it."""

    kafka: Bootstrap
    kafka_security_protocol: SecurityProtocol = "PLAINTEXT"
    kafka_sasl_mechanism: Annotated[SaslMechanism | None, Field(validate_default=True)] = None
    kafka_sasl_username: Annotated[str | None, Field(validate_default=True, max_length=200)] = None
    kafka_sasl_password_file: Annotated[Path | None, Field(validate_default=True)] = None
    """The password, or the token of OAUTHBEARER; read again at each connection."""
    kafka_ssl_cafile: Path | None = None
    """PEM; the system's authorities without it."""
    kafka_ssl_certfile: Path | None = None
    """PEM, with its chain: the client's own, for brokers that ask for one. Read again at each connection."""
    kafka_ssl_keyfile: Annotated[Path | None, Field(validate_default=True)] = None

    @field_validator(*_OF_SASL)
    @classmethod
    def _with_sasl(cls, value: str | Path | None, info: ValidationInfo) -> str | Path | None:
        protocol = info.data.get("kafka_security_protocol")
        if protocol is None:
            return value
        if not protocol.startswith("SASL_"):
            if value is not None:
                raise ValueError(f"it has no use with LIXIAO_KAFKA_SECURITY_PROTOCOL={protocol}, which has no SASL")
            return None
        token = info.data.get("kafka_sasl_mechanism") == "OAUTHBEARER"
        if info.field_name == "kafka_sasl_username" and token:
            if value is not None:
                raise ValueError("OAUTHBEARER takes the name from the token")
        elif value is None:
            raise ValueError(f"{protocol} needs it")
        return value

    @field_validator(*_OF_TLS)
    @classmethod
    def _with_tls(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        protocol = info.data.get("kafka_security_protocol")
        if value is not None and protocol is not None and not protocol.endswith("SSL"):
            raise ValueError(f"it has no use with LIXIAO_KAFKA_SECURITY_PROTOCOL={protocol}, which has no TLS")
        return value

    @field_validator("kafka_sasl_password_file", *_OF_TLS)
    @classmethod
    def _readable(cls, value: Path | None) -> Path | None:
        if value is not None:
            try:
                with value.open("rb") as file:
                    content = file.read(1)
            except OSError as error:
                raise ValueError(f"the file cannot be read: {error.strerror}") from None
            if not content:
                raise ValueError("the file is empty")
        return value

    @field_validator("kafka_ssl_keyfile")
    @classmethod
    def _pair(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        """And the certificates are what they should be: the last field knows them all."""
        found = info.data
        certificate = found.get("kafka_ssl_certfile")
        if value is not None and certificate is None:
            raise ValueError("LIXIAO_KAFKA_SSL_CERTFILE is needed beside it")
        if found.get("kafka_security_protocol", "").endswith("SSL") and set(_OF_TLS[:-1]) <= found.keys():
            connection = KafkaConnection(
                "", ssl_cafile=found["kafka_ssl_cafile"], ssl_certfile=certificate, ssl_keyfile=value
            )
            try:
                connection.certificates()
            except (OSError, ValueError) as error:
                reason = error.reason if isinstance(error, ssl.SSLError) else type(error).__name__
                raise ValueError(f"certificate, key and authorities cannot be used together: {reason}") from None
        return value

    @property
    def kafka_connection(self) -> KafkaConnection:
        return KafkaConnection(
            self.kafka,
            security_protocol=self.kafka_security_protocol,
            sasl_mechanism=self.kafka_sasl_mechanism,
            sasl_username=self.kafka_sasl_username,
            sasl_password_file=self.kafka_sasl_password_file,
            ssl_cafile=self.kafka_ssl_cafile,
            ssl_certfile=self.kafka_ssl_certfile,
            ssl_keyfile=self.kafka_ssl_keyfile,
        )
