"""A broker with more listeners: TLS with SCRAM, TLS that asks clients for a certificate, and tokens."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from deploy.local.processes.ports import LOOPBACK
from deploy.local.servers.kafka import SCRAM, Kafka
from tests.support.certificates import Authority

LISTENERS: Final = {"SASL_SSL": "sasl-ssl-port", "SSL": "ssl-port", "TOKEN": "token-port"}
ISSUER, AUDIENCE = "https://sign-in.example", "kafka"
PROPERTIES: Final = """
listener.security.protocol.map=CONTROLLER:SASL_PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL,SSL:SSL,TOKEN:SASL_PLAINTEXT
listener.name.sasl_ssl.sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config={scram}
ssl.keystore.type=PEM
ssl.keystore.location={keystore}
ssl.truststore.type=PEM
ssl.truststore.location={truststore}
listener.name.ssl.ssl.client.auth=required
listener.name.token.sasl.enabled.mechanisms=OAUTHBEARER
listener.name.token.oauthbearer.sasl.jaas.config={token}
listener.name.token.oauthbearer.sasl.server.callback.handler.class={validator}
listener.name.token.oauthbearer.connections.max.reauth.ms=2000
listener.name.token.sasl.oauthbearer.jwks.endpoint.url={jwks}
listener.name.token.sasl.oauthbearer.expected.issuer={issuer}
listener.name.token.sasl.oauthbearer.expected.audience={audience}
"""


_ALLOWED_URLS: Final = "org.apache.kafka.sasl.oauthbearer.allowed.urls"
_ALLOWED_FILES: Final = "org.apache.kafka.sasl.oauthbearer.allowed.files"
_OAUTH: Final = "org.apache.kafka.common.security.oauthbearer"
TOKEN: Final = f"{_OAUTH}.OAuthBearerLoginModule required;"
VALIDATOR: Final = f"{_OAUTH}.OAuthBearerValidatorCallbackHandler"


class TlsKafka(Kafka):
    port_names = ("port", "controller-port", *LISTENERS.values())

    def trust(self, authority: Authority) -> None:
        """From the next start on: the broker's own certificate, and its clients', are of this authority."""
        self.folder.mkdir(parents=True, exist_ok=True)
        pair = authority.pair("broker")
        self._keystore.write_bytes(pair.key + pair.certificate)
        self._truststore.write_bytes(authority.certificate)

    @property
    def sasl_ssl(self) -> str:
        return f"{LOOPBACK}:{self.ports['sasl-ssl-port']}"

    @property
    def ssl(self) -> str:
        return f"{LOOPBACK}:{self.ports['ssl-port']}"

    @property
    def token(self) -> str:
        return f"{LOOPBACK}:{self.ports['token-port']}"

    def believe(self, jwks: str) -> None:
        """From the next start on: tokens that a key of this set has signed."""
        self._jwks.write_text(jwks)

    @property
    def java_options(self) -> Sequence[str]:
        # Kafka reads keys from no other address than those that its operator lists.
        return (f"-D{_ALLOWED_URLS}={self._jwks.as_uri()}", f"-D{_ALLOWED_FILES}={self._jwks}")

    @property
    def properties(self) -> str:
        more = {name: f"{name}://{LOOPBACK}:{self.ports[port]}" for name, port in LISTENERS.items()}
        lines = [
            f"{line},{','.join(more.values())}" if line.startswith(("listeners=", "advertised.listeners=")) else line
            for line in super().properties.splitlines()
            if not line.startswith("listener.security.protocol.map=")
        ]
        files = {"keystore": self._keystore, "truststore": self._truststore}
        tokens = {"jwks": self._jwks.as_uri(), "issuer": ISSUER, "audience": AUDIENCE}
        return "\n".join(lines) + PROPERTIES.format(scram=SCRAM, token=TOKEN, validator=VALIDATOR, **tokens, **files)

    @property
    def _jwks(self) -> Path:
        return self.folder.absolute() / "jwks.json"

    @property
    def _keystore(self) -> Path:
        return self.folder / "broker.pem"

    @property
    def _truststore(self) -> Path:
        return self.folder / "trusted.pem"
