"""A certificate for the signature in the PDFs of forms: of the installation's own, and believed by nobody else."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from services.kit.runtime.private_files import write_private

LIFE: Final = timedelta(days=365)
ISSUER: Final = "Demonstration authority"
HOLDER: Final = "Demonstration university"


def pdf_certificate(folder: Path) -> tuple[Path, Path]:
    """Certificate with its issuer's, and private key, PEM; made if they are not there or end within a day."""
    certificate, key = folder / "pdf-certificate.pem", folder / "pdf-key.pem"
    if not (certificate.exists() and key.exists() and _lasts(certificate)):
        chain, private = made()
        write_private(key, private.decode())
        write_private(certificate, chain.decode())
    return certificate, key


def made(now: datetime | None = None, holder_key: ec.EllipticCurvePrivateKey | None = None) -> tuple[bytes, bytes]:
    """The certificate with its issuer's, valid for a year from `now`, and the key."""
    now = now or datetime.now(UTC)
    authority, holder = ec.generate_private_key(ec.SECP256R1()), holder_key or ec.generate_private_key(ec.SECP256R1())
    issuer = (
        _builder(ISSUER, ISSUER, authority.public_key(), now)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(of_issuer=True), critical=True)
        .sign(authority, SHA256())
    )
    certificate = (
        _builder(HOLDER, ISSUER, holder.public_key(), now)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(of_issuer=False), critical=True)
        .sign(authority, SHA256())
    )
    chain = b"".join(one.public_bytes(Encoding.PEM) for one in (certificate, issuer))
    return chain, holder.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _lasts(file: Path) -> bool:
    first, *_ = x509.load_pem_x509_certificates(file.read_bytes())
    return first.not_valid_after_utc > datetime.now(UTC) + timedelta(days=1)


def _builder(name: str, issuer: str, key: ec.EllipticCurvePublicKey, now: datetime) -> x509.CertificateBuilder:
    start = now - timedelta(hours=1)
    serial = x509.random_serial_number()
    return x509.CertificateBuilder(_called(issuer), _called(name), key, serial, start, now + LIFE)


def _called(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _usage(*, of_issuer: bool) -> x509.KeyUsage:
    """A holder's for what is signed on purpose (non-repudiation), as readers of PDFs expect."""
    return x509.KeyUsage(
        digital_signature=not of_issuer,
        content_commitment=not of_issuer,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=of_issuer,
        crl_sign=of_issuer,
        encipher_only=False,
        decipher_only=False,
    )
