"""An authority of the installation's own, for TLS between its services and servers."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

from services.kit.runtime.private_files import write_private

AUTHORITY_LIFE: Final = timedelta(days=3650)
LIFE: Final = timedelta(days=397)
RENEWED_BEFORE: Final = timedelta(days=60)
_EARLIER: Final = timedelta(hours=1)
"""Clocks differ."""
_NAME: Final = "Lixiao internal authority"


class Authority:
    """`<folder>/authority.pem` and `authority.key`, made unless they exist. The key is needed for this alone."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "authority.pem"
        key_file = folder / "authority.key"
        if not key_file.exists():
            key = ec.generate_private_key(ec.SECP256R1())
            write_private(key_file, _pem(key))
            made = _builder(_called(_NAME), _called(_NAME), key.public_key(), AUTHORITY_LIFE)
            made = made.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            self.file.write_bytes(made.sign(key, SHA256()).public_bytes(Encoding.PEM))
        loaded = load_pem_private_key(key_file.read_bytes(), None)
        assert isinstance(loaded, ec.EllipticCurvePrivateKey)
        self._key = loaded
        self._certificate = x509.load_pem_x509_certificate(self.file.read_bytes())

    def issue(self, folder: Path, *names: str, now: datetime | None = None) -> bool:
        """`tls.pem` and `tls.key` for these host names and addresses; whether they were made.

        What another authority has signed is left alone, and so is what has the names and is not near its end.
        """
        certificate = folder / "tls.pem"
        if certificate.exists() and not self._to_be_renewed(certificate, names, now or datetime.now(UTC)):
            return False
        key = ec.generate_private_key(ec.SECP256R1())
        made = _builder(self._certificate.subject, _called(names[0]), key.public_key(), LIFE)
        made = made.add_extension(x509.SubjectAlternativeName([_alternative(name) for name in names]), critical=False)
        write_private(folder / "tls.key", _pem(key))
        certificate.write_bytes(made.sign(self._key, SHA256()).public_bytes(Encoding.PEM))
        return True

    def _to_be_renewed(self, file: Path, names: tuple[str, ...], now: datetime) -> bool:
        certificate = x509.load_pem_x509_certificate(file.read_bytes())
        if certificate.issuer != self._certificate.subject:
            return False
        named = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        return set(named) != set(map(_alternative, names)) or certificate.not_valid_after_utc - now < RENEWED_BEFORE


def _builder(
    issuer: x509.Name, subject: x509.Name, key: ec.EllipticCurvePublicKey, life: timedelta
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return x509.CertificateBuilder(issuer, subject, key, x509.random_serial_number(), now - _EARLIER, now + life)


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _called(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _pem(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
