"""What `sslmode=verify-full` buys: a server that cannot show the right certificate gets neither password nor query.

The bundled PostgreSQL is built without TLS, so what answers PostgreSQL's request for it stands in front.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from deploy.local.servers.server import Running
from services.kit.postgres.pool import open_pool

TLS_REQUEST = b"\x00\x00\x00\x08\x04\xd2\x16\x2f"


class Certificate:
    """Its own authority; `name` is the host's."""

    def __init__(self, folder: Path, name: str) -> None:
        self.file, self.key = folder / f"{name}.pem", folder / f"{name}.key"
        key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
        who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        number = x509.random_serial_number()
        built = x509.CertificateBuilder(who, who, key.public_key(), number, now, now + timedelta(days=1))
        signed = built.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False).add_extension(
            x509.BasicConstraints(ca=True, path_length=None), critical=True
        )
        self.file.write_bytes(signed.sign(key, SHA256()).public_bytes(Encoding.PEM))
        self.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


class TlsFront:
    """In front of a server without TLS. Without a certificate it refuses TLS, as somebody between may."""

    def __init__(self, target: str, certificate: Certificate | None) -> None:
        self._target, self.clear_text = urlsplit(target), b""
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) if certificate else None
        if self._context and certificate:
            self._context.load_cert_chain(certificate.file, certificate.key)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            assert await reader.readexactly(8) == TLS_REQUEST
            writer.write(b"S" if self._context else b"N")
            if self._context:
                await writer.start_tls(self._context)
                back, forth = await asyncio.open_connection(self._target.hostname, self._target.port)
                await asyncio.gather(_pump(reader, forth), _pump(back, writer))
            else:
                self.clear_text += await reader.read()
        writer.close()


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while some := await source.read(65_536):
        sink.write(some)
        await sink.drain()
    sink.close()


@asynccontextmanager
async def front_of(target: str, certificate: Certificate | None, authority: Certificate) -> AsyncIterator[str]:
    """The DSN through it, by which `authority` has to have signed."""
    front = TlsFront(target, certificate)
    server = await asyncio.start_server(front.serve, "127.0.0.1", 0)
    port, user = server.sockets[0].getsockname()[1], urlsplit(target).netloc.rpartition("@")[0]
    try:
        yield f"postgresql://{user}@localhost:{port}/postgres?sslmode=verify-full&sslrootcert={authority.file}"
    finally:
        server.close()
        assert front.clear_text == b""


async def test_a_server_with_the_right_certificate_is_worked_with(postgres: Running, tmp_path: Path) -> None:
    own = Certificate(tmp_path, "localhost")
    async with front_of(postgres.address, own, own) as dsn, await open_pool(dsn, name="tls") as pool:
        assert await pool.fetchval("SELECT 1") == 1


@pytest.mark.parametrize("name", ["another", "localhost"])
async def test_one_of_another_host_or_another_authority_is_refused(
    postgres: Running, tmp_path: Path, name: str
) -> None:
    (tmp_path / "theirs").mkdir()
    theirs = Certificate(tmp_path / "theirs", name)
    trusted = theirs if name == "another" else Certificate(tmp_path, name)
    async with front_of(postgres.address, theirs, trusted) as dsn:
        with pytest.raises(ssl.SSLCertVerificationError, match=r"Hostname mismatch|self-signed"):
            await open_pool(dsn, name="tls", retry_for_s=0)


async def test_one_that_says_it_has_no_tls_gets_nothing_in_clear_text(postgres: Running, tmp_path: Path) -> None:
    async with front_of(postgres.address, None, Certificate(tmp_path, "localhost")) as dsn:
        with pytest.raises(ConnectionError, match="rejected SSL"):
            await open_pool(dsn, name="tls", retry_for_s=0)
