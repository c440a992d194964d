"""How a client reaches Kafka and proves who it is, in the terms of Kafka's own clients.

Every client of ours takes its keyword arguments from here. Password, token and certificates are files, read again at
each connection: a client that reconnects after a rotation has the new ones without a restart.
"""

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from aiokafka.abc import AbstractTokenProvider
from aiokafka.helpers import create_ssl_context
from faststream.security import BaseSecurity, SASLOAuthBearer, SASLPlaintext, SASLScram256, SASLScram512

from services.kit.kafka.connecting import PasswordFile, change_connecting

SecurityProtocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
SaslMechanism = Literal["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN", "OAUTHBEARER"]
OAUTHBEARER: Final = "OAUTHBEARER"
_OF_FASTSTREAM: Final[dict[str, Callable[..., BaseSecurity]]] = {
    "SCRAM-SHA-512": SASLScram512,
    "SCRAM-SHA-256": SASLScram256,
    "PLAIN": SASLPlaintext,
}


@dataclass(frozen=True, slots=True)
class KafkaConnection:
    """`sasl_password_file` holds the token where the mechanism is OAUTHBEARER. Without `ssl_cafile`: the system's."""

    bootstrap_servers: str
    security_protocol: SecurityProtocol = "PLAINTEXT"
    sasl_mechanism: SaslMechanism | None = None
    sasl_username: str | None = None
    sasl_password_file: Path | None = None
    ssl_cafile: Path | None = None
    ssl_certfile: Path | None = None
    ssl_keyfile: Path | None = None

    @property
    def uses_sasl(self) -> bool:
        return self.security_protocol.startswith("SASL_")

    @property
    def uses_tls(self) -> bool:
        return self.security_protocol.endswith("SSL")

    def options(self) -> dict[str, Any]:
        """Keyword arguments of aiokafka's clients."""
        change_connecting()
        options: dict[str, Any] = {
            "bootstrap_servers": self.bootstrap_servers,
            "security_protocol": self.security_protocol,
            "ssl_context": self._ssl_context(),
        }
        if self.uses_sasl:
            options["sasl_mechanism"] = self.sasl_mechanism
            if self.sasl_mechanism == OAUTHBEARER:
                options["sasl_oauth_token_provider"] = self._token
            else:
                options["sasl_plain_username"] = self.sasl_username
                options["sasl_plain_password"] = self._password
        return options

    def broker_options(self) -> dict[str, Any]:
        """Keyword arguments of FastStream's broker."""
        change_connecting()
        tls = self._ssl_context()
        # FastStream takes a text for one server's address.
        servers = [address.strip() for address in self.bootstrap_servers.split(",")]
        options: dict[str, Any] = {"bootstrap_servers": servers, "security": BaseSecurity(tls)}
        if self.uses_sasl and self.sasl_mechanism == OAUTHBEARER:
            options |= {"security": SASLOAuthBearer(tls), "sasl_oauth_token_provider": self._token}
        elif self.uses_sasl:
            security = _OF_FASTSTREAM[str(self.sasl_mechanism)]
            options["security"] = security(self.sasl_username, self._password, tls)
        return options

    def settings(self) -> dict[str, Any]:
        """The fields of `KafkaSettings` that give it again."""
        values = {
            "kafka": self.bootstrap_servers,
            "kafka_security_protocol": self.security_protocol,
            "kafka_sasl_mechanism": self.sasl_mechanism,
            "kafka_sasl_username": self.sasl_username,
            "kafka_sasl_password_file": self.sasl_password_file,
            "kafka_ssl_cafile": self.ssl_cafile,
            "kafka_ssl_certfile": self.ssl_certfile,
            "kafka_ssl_keyfile": self.ssl_keyfile,
        }
        return {name: str(value) for name, value in values.items() if value is not None}

    def variables(self) -> dict[str, str]:
        """The same, as the environment has them."""
        return {f"LIXIAO_{name.upper()}": value for name, value in self.settings().items()}

    def certificates(self) -> ssl.SSLContext:
        """As the files are now. Raises `OSError`, also for what is no certificate."""
        context: ssl.SSLContext = create_ssl_context(
            cafile=self.ssl_cafile, certfile=self.ssl_certfile, keyfile=self.ssl_keyfile
        )
        return context

    def _ssl_context(self) -> ssl.SSLContext | None:
        if not self.uses_tls:
            return None
        context = _RenewedContext(ssl.PROTOCOL_TLS_CLIENT)
        context.current = self.certificates
        return context

    @property
    def _password(self) -> PasswordFile:
        return PasswordFile(self.sasl_password_file or Path())

    @property
    def _token(self) -> "_TokenFile":
        return _TokenFile(self.sasl_password_file or Path())


class _RenewedContext(ssl.SSLContext):
    """Each connection is made with the files of its time."""

    current: Callable[[], ssl.SSLContext]

    def wrap_bio(self, *args: Any, **kwargs: Any) -> ssl.SSLObject:
        return self.current().wrap_bio(*args, **kwargs)


class _TokenFile(AbstractTokenProvider):  # type: ignore[misc]
    """A token that another program renews: a sidecar, or Kubernetes' projected service account."""

    def __init__(self, path: Path) -> None:
        self._file = PasswordFile(path)

    async def token(self) -> str:
        return self._file.read()
