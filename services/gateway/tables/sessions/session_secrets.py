"""What is made of a session's id, which only the browser holds: a copy of the table gives none of it away."""

import secrets
from typing import Final, Literal

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from services.kit.signing.session_proofs import SessionKey

_NONCE_BYTES: Final = 12
Kind = Literal["refresh token", "ID token"]


def session_key(session_id: str) -> SessionKey:
    """By which the session shows what it asked for."""
    return SessionKey(_derived(session_id, b"lixiao session key"))


def seal(session_id: str, token: str, kind: Kind = "refresh token") -> bytes:
    """Encrypted."""
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return nonce + _cipher(session_id, kind).encrypt(nonce, token.encode(), None)


def unseal(session_id: str, sealed: bytes, kind: Kind = "refresh token") -> str | None:
    """None if it is not of this session."""
    try:
        return _cipher(session_id, kind).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], None).decode()
    except InvalidTag:
        return None


def _cipher(session_id: str, kind: Kind) -> AESGCM:
    return AESGCM(_derived(session_id, f"lixiao {kind}".encode()))


def _derived(session_id: str, purpose: bytes) -> bytes:
    # The id has 256 random bits; the table's key is another hash of it.
    return HKDF(SHA256(), 32, salt=None, info=purpose).derive(session_id.encode())
