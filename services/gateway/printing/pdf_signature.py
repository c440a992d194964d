"""The university's signature in the PDF of a form (PAdES, baseline B), which any reader of PDFs shows.

It is for whoever opens the file: the desk and the public check believe the form's own signature, in its QR code.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Lock
from typing import Any, Final

from asn1crypto.x509 import Certificate
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from pkcs11.exceptions import PKCS11Error
from pyhanko.config.pkcs11 import TokenCriteria
from pyhanko.keys import load_certs_from_pemder_data, load_private_key_from_pemder_data
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.misc import PdfError
from pyhanko.sign.fields import SigSeedSubFilter
from pyhanko.sign.general import SigningError
from pyhanko.sign.pkcs11 import PKCS11Signer, open_pkcs11_session
from pyhanko.sign.signers import PdfSignatureMetadata, SimpleSigner, sign_pdf
from pyhanko_certvalidator.registry import SimpleCertificateStore

from services.gateway.printing.typst import NotSigned

WARNED_BEFORE: Final = timedelta(days=30)
_FIELD: Final = "Signature"
_DIGEST: Final = "sha256"


@dataclass(frozen=True, slots=True)
class Token:
    """Where the key is that is read by nobody. `key`: its label."""

    module: Path
    label: str
    pin: str
    key: str


class PdfSigner:
    """Used by several threads, one at a time: a token has one login."""

    def __init__(self, chain: Sequence[Certificate], key: bytes | Token) -> None:
        """`chain`: the certificate, then its issuers'. `key`: PEM, or in a token. Raises `ValueError`."""
        self._certificate, *self._issuers = chain
        self._key = key
        self._lock = Lock()
        self._signer: Any = None
        if isinstance(key, bytes):
            self._signer = _from_file(self._certificate, self._issuers, key)

    @property
    def ends_at(self) -> datetime:
        end: datetime = self._certificate.not_valid_after
        return end.astimezone(UTC)

    def signed(self, pdf: bytes) -> bytes:
        """Of a PDF that keeps to PDF/A and PDF/UA, another that does. Raises `NotSigned`."""
        if datetime.now(UTC) >= self.ends_at:
            raise NotSigned("expired")
        # What is added begins on a line of its own, or PDF/A is broken (6.1.9): Typst ends without a line feed.
        writer = IncrementalPdfFileWriter(io.BytesIO(pdf + b"\n"))
        metadata = PdfSignatureMetadata(field_name=_FIELD, subfilter=SigSeedSubFilter.PADES, md_algorithm=_DIGEST)
        with self._lock:
            try:
                self._signer = self._signer or self._from_token()
                made: io.BytesIO = sign_pdf(writer, metadata, signer=self._signer)
            except (PKCS11Error, SigningError, PdfError, OSError) as error:
                if isinstance(self._key, Token):
                    self._signer = None  # a session of a token that was away is not used again
                raise NotSigned(type(error).__name__) from error
        return made.getvalue()

    async def warning(self) -> str | None:
        """For readiness."""
        left = self.ends_at - datetime.now(UTC)
        return f"ends on {self.ends_at:%Y-%m-%d}" if left < WARNED_BEFORE else None

    def _from_token(self) -> Any:
        assert isinstance(self._key, Token)
        session = open_pkcs11_session(
            str(self._key.module), token_criteria=TokenCriteria(label=self._key.label), user_pin=self._key.pin
        )
        # Few tokens hash for an elliptic curve, all sign a digest.
        raw = self._certificate.public_key.algorithm == "ec"
        return PKCS11Signer(
            session,
            signing_cert=self._certificate,
            ca_chain=self._issuers,
            key_label=self._key.key,
            use_raw_mechanism=raw,
        )


def load(certificate: Path, key: Path | Token) -> PdfSigner:
    """`certificate`: PEM, with its issuers' after it. Raises `ValueError` naming the file at fault."""
    try:
        chain = list(load_certs_from_pemder_data(certificate.read_bytes()))
    except (OSError, ValueError) as error:
        raise ValueError(f"{certificate}: {type(error).__name__}") from None
    if not chain:
        raise ValueError(f"{certificate}: there is no certificate in it")
    if isinstance(key, Token):
        return PdfSigner(chain, key)
    try:
        return PdfSigner(chain, key.read_bytes())
    except (OSError, ValueError) as error:
        raise ValueError(f"{key}: {error if isinstance(error, ValueError) else type(error).__name__}") from None


def _from_file(certificate: Certificate, issuers: Sequence[Certificate], pem: bytes) -> SimpleSigner:
    public = load_pem_private_key(pem, None).public_key()
    if public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) != certificate.public_key.dump():
        raise ValueError("the key is not that of the certificate")
    key = load_private_key_from_pemder_data(pem, passphrase=None)
    known = SimpleCertificateStore()  # type: ignore[no-untyped-call]
    known.register_multiple(issuers)
    return SimpleSigner(signing_cert=certificate, signing_key=key, cert_registry=known)
