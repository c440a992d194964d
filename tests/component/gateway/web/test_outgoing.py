"""Whose certificates the gateway believes when it calls a desk or the provider."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from fastapi import FastAPI

from services.gateway.outgoing import outgoing_client
from services.gateway.settings import GatewaySettings
from tests.support.servers.live_server import live_server

UNUSED: dict[str, Any] = {
    "kafka": "127.0.0.1:9",
    "database": "postgresql://nobody@127.0.0.1/none",
    "read_model": "postgresql://nobody@127.0.0.1/none",
    "openid_issuer": "http://127.0.0.1:9",
    "openid_client_id": "lixiao",
}


def certificate(folder: Path, name: str) -> dict[str, Path]:
    """A pair for this machine that signs itself, as its own authority."""
    folder.mkdir()
    key = ec.generate_private_key(ec.SECP256R1())
    who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(who, who, key.public_key(), x509.random_serial_number(), now, now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, SHA256())
    )
    pair = {"tls_certificate": folder / "certificate.pem", "tls_key": folder / "key.pem"}
    pair["tls_key"].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    pair["tls_certificate"].write_bytes(made.public_bytes(Encoding.PEM))
    return pair


async def test_a_desk_is_believed_by_the_named_authority_and_by_no_other(tmp_path: Path) -> None:
    desk, other = certificate(tmp_path / "desk", "desk"), certificate(tmp_path / "other", "other")
    with live_server(lambda _: FastAPI(), **desk) as address:
        url = address.replace("http://", "https://") + "/openapi.json"
        async with outgoing_client(GatewaySettings(**UNUSED, authorities=desk["tls_certificate"])) as client:
            assert (await client.get(url)).status_code == 200
        for authorities in (None, other["tls_certificate"]):
            async with outgoing_client(GatewaySettings(**UNUSED, authorities=authorities)) as client:
                with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
                    await client.get(url)
