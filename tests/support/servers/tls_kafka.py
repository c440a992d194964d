"""A broker with TLS besides: a listener with SCRAM, and one that asks clients for a certificate."""

from pathlib import Path
from typing import Final

from deploy.local.processes.ports import LOOPBACK
from deploy.local.servers.kafka import SCRAM, Kafka
from tests.support.certificates import Authority

LISTENERS: Final = {"SASL_SSL": "sasl-ssl-port", "SSL": "ssl-port"}
PROPERTIES: Final = """
listener.security.protocol.map=CONTROLLER:SASL_PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL,SSL:SSL
listener.name.sasl_ssl.sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config={scram}
ssl.keystore.type=PEM
ssl.keystore.location={keystore}
ssl.truststore.type=PEM
ssl.truststore.location={truststore}
listener.name.ssl.ssl.client.auth=required
"""


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
    def properties(self) -> str:
        more = {name: f"{name}://{LOOPBACK}:{self.ports[port]}" for name, port in LISTENERS.items()}
        lines = [
            f"{line},{','.join(more.values())}" if line.startswith(("listeners=", "advertised.listeners=")) else line
            for line in super().properties.splitlines()
            if not line.startswith("listener.security.protocol.map=")
        ]
        files = {"keystore": self._keystore, "truststore": self._truststore}
        return "\n".join(lines) + PROPERTIES.format(scram=SCRAM, **files)

    @property
    def _keystore(self) -> Path:
        return self.folder / "broker.pem"

    @property
    def _truststore(self) -> Path:
        return self.folder / "trusted.pem"
