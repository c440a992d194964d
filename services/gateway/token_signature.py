"""Whether a token was signed by the provider: its header, the provider's keys, the signature (RFC 7515, 8725)."""

import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from joserfc import jws
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import ECKey, JWKRegistry, OctKey, OKPKey, RSAKey
from joserfc.util import urlsafe_b64decode

from services.gateway.refusals import Refusal, SignInRefused

Key = RSAKey | ECKey | OKPKey

KEY_TYPES: Final[Mapping[str, str]] = {"RS256": "RSA", "ES256": "EC", "EdDSA": "OKP", "Ed25519": "OKP"}
"""The algorithms allowed, with the key type each needs. Symmetric ones and `none` are not here and never will be."""

TOKEN_CHARACTERS_MAX: Final = 32_768
KEYS_MAX: Final = 50
RSA_BITS_MIN: Final = 2048


@dataclass(frozen=True)
class Header:
    """The part of a token's header that chooses the key."""

    algorithm: str
    key_id: str | None


def read_header(token: str) -> Header:
    """Read what the token says of itself, before anything is believed. Raises `SignInRefused`."""
    if len(token) > TOKEN_CHARACTERS_MAX or token.count(".") != 2:
        raise SignInRefused(Refusal.TOKEN_MALFORMED)
    header = _json_object(_decoded(token.partition(".")[0]))
    algorithm, key_id = header.get("alg"), header.get("kid")
    if not isinstance(algorithm, str) or algorithm not in KEY_TYPES:
        raise SignInRefused(Refusal.ALGORITHM_NOT_ALLOWED)
    # An access token or a logout token signed by the same key is not an ID token (RFC 8725 §3.11).
    kind = header.get("typ", "JWT")
    if not isinstance(kind, str) or kind.upper() != "JWT":
        raise SignInRefused(Refusal.WRONG_TYPE)
    if "crit" in header or not isinstance(key_id, str | None):
        raise SignInRefused(Refusal.TOKEN_MALFORMED)
    return Header(algorithm, key_id)


def usable_keys(document: object) -> tuple[Key, ...]:
    """The public signing keys of a JWKS document; what is unknown, symmetric, short or for encryption is left out."""
    entries = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        return ()
    return tuple(key for entry in entries[:KEYS_MAX] if (key := _key(entry)) is not None)


def find_key(header: Header, keys: Sequence[Key]) -> Key | None:
    """The key the header names. A header without a key id is served only when one single key could be meant."""
    fitting = [
        key
        for key in keys
        if key.key_type == KEY_TYPES[header.algorithm] and key.get("alg") in (None, header.algorithm)
    ]
    if header.key_id is None:
        return fitting[0] if len(fitting) == 1 else None
    return next((key for key in fitting if key.get("kid") == header.key_id), None)


def verified_claims(token: str, header: Header, key: Key) -> dict[str, Any]:
    """The claims of a token whose signature is `key`'s. Raises `SignInRefused`."""
    registry = jws.JWSRegistry(algorithms=[header.algorithm], strict_check_header=False)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SecurityWarning)  # "EdDSA" is the old name of Ed25519, still in use
            payload = jws.deserialize_compact(token, key, registry=registry).payload
    except (JoseError, ValueError, TypeError):
        raise SignInRefused(Refusal.BAD_SIGNATURE) from None
    return _json_object(payload or b"")


def _key(entry: object) -> Key | None:
    if not isinstance(entry, dict) or entry.get("use", "sig") != "sig":
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SecurityWarning)  # a short key is left out below
            key = JWKRegistry.import_key(entry)
    except (JoseError, ValueError, TypeError, KeyError):
        return None
    if isinstance(key, OctKey) or (isinstance(key, RSAKey) and key.raw_value.key_size < RSA_BITS_MIN):
        return None
    return key


def _decoded(segment: str) -> bytes:
    try:
        return urlsafe_b64decode(segment.encode("ascii"))
    except ValueError:
        raise SignInRefused(Refusal.TOKEN_MALFORMED) from None


def _json_object(text: bytes) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise SignInRefused(Refusal.TOKEN_MALFORMED) from None
    if not isinstance(value, dict):
        raise SignInRefused(Refusal.TOKEN_MALFORMED)
    return value
