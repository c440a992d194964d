"""The signed form: a compact JWS (Ed25519) over canonical JSON. Pure.

Only the signer's spelling verifies, so that any changed bit is noticed, also base64url's unused ones.
"""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

ALGORITHM: Final = "Ed25519"
TYPE: Final = "lixiao-form"
MAX_BYTES: Final = 256 * 1024


class InvalidSignature(ValueError):
    """Names the failed step, and quotes nothing."""


@dataclass(frozen=True, slots=True)
class Form:
    """Verified; `receipt` is the compact JWS."""

    payload: dict[str, Any]
    kid: str
    receipt: str


class Signer(Protocol):
    """A private key, wherever it is."""

    @property
    def kid(self) -> str: ...

    def sign(self, message: bytes) -> bytes:
        """Ed25519, 64 bytes. May block."""
        ...


def canonical(document: Mapping[str, Any]) -> bytes:
    """Sorted keys, no whitespace, UTF-8; no floats."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def sign(payload: Mapping[str, Any], signer: Signer) -> str:
    message = f"{encoded(canonical(_header(signer.kid)))}.{encoded(canonical(payload))}"
    return f"{message}.{encoded(signer.sign(message.encode()))}"


def verify(receipt: str, keys: Mapping[str, OKPKey]) -> Form:
    """`receipt` is a compact JWS; `keys` are public, by kid. Raises `InvalidSignature`."""
    kid, body = _parts(receipt)
    key = keys.get(kid)
    if key is None:
        raise InvalidSignature("it is signed with an unknown key")
    try:
        jws.deserialize_compact(receipt, key, algorithms=[ALGORITHM])
    except (JoseError, ValueError):
        raise InvalidSignature("the signature does not match the form") from None
    return Form(_payload(body), kid, receipt)


def unverified(receipt: str) -> Form:
    """What it claims, in the signer's spelling: whether it was signed is not checked. Raises `InvalidSignature`."""
    kid, body = _parts(receipt)
    return Form(_payload(body), kid, receipt)


def _parts(receipt: str) -> tuple[str, bytes]:
    """kid and payload."""
    if len(receipt) > MAX_BYTES:
        raise InvalidSignature("it is too long to be a form")
    parts = receipt.split(".")
    if len(parts) != 3:
        raise InvalidSignature("it is not a signed form")
    header, body, _ = (decoded(part) for part in parts)
    kid = _object(header).get("kid")
    if not isinstance(kid, str) or header != canonical(_header(kid)):
        raise InvalidSignature("it is not a form of this system")
    return kid, body


def _payload(body: bytes) -> dict[str, Any]:
    payload = _object(body)
    try:
        spelled = canonical(payload)
    except (ValueError, RecursionError):  # what nobody signs: a lone surrogate, NaN
        spelled = b""
    if spelled != body:
        raise InvalidSignature("it is not in the signer's spelling")
    return payload


def kid_of(receipt: str) -> str | None:
    """The key that it says it is signed with, before anything is verified."""
    try:
        kid = _object(decoded(receipt.partition(".")[0])).get("kid")
    except InvalidSignature:
        return None
    return kid if isinstance(kid, str) else None


def public_keys(jwks: Iterable[Mapping[str, Any]]) -> dict[str, OKPKey]:
    """Ed25519 keys by kid; others are skipped."""
    found = {}
    for jwk in jwks:
        if jwk.get("kty") == "OKP" and jwk.get("crv") == ALGORITHM and isinstance(jwk.get("kid"), str):
            found[str(jwk["kid"])] = OKPKey.import_key({"kty": "OKP", "crv": ALGORITHM, "x": jwk["x"]})
    return found


def _header(kid: str) -> dict[str, str]:
    return {"alg": ALGORITHM, "kid": kid, "typ": TYPE}


def _object(document: bytes) -> dict[str, Any]:
    try:
        value = json.loads(document)
    except (ValueError, RecursionError):
        raise InvalidSignature("it is not a signed form") from None
    if not isinstance(value, dict):
        raise InvalidSignature("it is not a signed form")
    return value


def encoded(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def decoded(part: str) -> bytes:
    """Raises `InvalidSignature` for another spelling of the bytes."""
    try:
        raw = urlsafe_b64decode(part.encode("ascii") + b"=" * (-len(part) % 4))
    except ValueError:
        raise InvalidSignature("it is not a signed form") from None
    if encoded(raw) != part:
        raise InvalidSignature("it is not in the signer's spelling")
    return raw
