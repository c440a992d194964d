"""The signed form: a compact JWS over canonical JSON, and the same in a text that fits a QR code. Pure.

Only one spelling of a form verifies. Base64url has unused bits in its last letter and JSON has many spellings; a form
is refused unless it is written exactly as the signer writes it, so that any changed bit is noticed.

The QR text is `LXF1:` and, in Base45 (RFC 9285), the signature, the deflated header and payload, and the first eight
bytes of the SHA-256 of these: the alphanumeric mode of a QR code holds it in two thirds of the space of the JWS.
"""

import hashlib
import json
import zlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

ALGORITHM: Final = "Ed25519"
TYPE: Final = "lixiao-form"
PREFIX: Final = "LXF1:"
MAX_QR_CHARS: Final = 2520
"""Alphanumeric letters in a QR code of version 30, level L: the densest one a phone reads from paper."""
MAX_BYTES: Final = 256 * 1024
_SIGNATURE_BYTES: Final = 64
_DIGEST_BYTES: Final = 8
_BASE45: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"


class InvalidSignature(ValueError):
    """The form is not genuine, or not as it was signed. The text says at which step, and quotes nothing of it."""


@dataclass(frozen=True, slots=True)
class Form:
    """A genuine form: what was signed, and with which key."""

    payload: dict[str, Any]
    kid: str
    receipt: str


def canonical(document: Mapping[str, Any]) -> bytes:
    """The one spelling of a document of texts, whole numbers, objects and arrays: keys sorted, no space, UTF-8."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def sign(payload: Mapping[str, Any], key: OKPKey, kid: str) -> str:
    """The compact JWS of `payload`, signed with the private `key` whose public part is known as `kid`."""
    return jws.serialize_compact(_header(kid), canonical(payload), key, algorithms=[ALGORITHM])


def verify_text(text: str, keys: Mapping[str, OKPKey]) -> Form:
    """The form in `text`, a compact JWS or a QR text. `keys` are the public keys by their id. Raises `Forged`."""
    receipt = unpack(text) if text.startswith(PREFIX) else text
    if len(receipt) > MAX_BYTES:
        raise InvalidSignature("it is too long to be a form")
    parts = receipt.split(".")
    if len(parts) != 3:
        raise InvalidSignature("it is not a signed form")
    header, body, _ = (_decoded(part) for part in parts)
    kid = _object(header).get("kid")
    if not isinstance(kid, str) or header != canonical(_header(kid)):
        raise InvalidSignature("it is not a form of this system")
    key = keys.get(kid)
    if key is None:
        raise InvalidSignature("it is signed with a key that is not listed")
    try:
        jws.deserialize_compact(receipt, key, algorithms=[ALGORITHM])
    except (JoseError, ValueError):
        raise InvalidSignature("the signature does not fit what the form says") from None
    payload = _object(body)
    if canonical(payload) != body:
        raise InvalidSignature("it is not written as the signer writes it")
    return Form(payload, kid, receipt)


def public_keys(jwks: Iterable[Mapping[str, Any]]) -> dict[str, OKPKey]:
    """The public keys of a JWK set's `keys`, by their id. Others than Ed25519 signing keys are passed over."""
    found = {}
    for jwk in jwks:
        if jwk.get("kty") == "OKP" and jwk.get("crv") == ALGORITHM and isinstance(jwk.get("kid"), str):
            found[str(jwk["kid"])] = OKPKey.import_key({"kty": "OKP", "crv": ALGORITHM, "x": jwk["x"]})
    return found


def pack(receipt: str) -> str:
    """The QR text of a compact JWS made by `sign`; it may be longer than `MAX_QR_CHARS`."""
    header, body, signature = (_decoded(part) for part in receipt.split("."))
    raw = signature + zlib.compress(header + b"\n" + body, 9)
    return PREFIX + _to_base45(raw + hashlib.sha256(raw).digest()[:_DIGEST_BYTES])


def unpack(text: str) -> str:
    """The compact JWS of a QR text. Raises `Forged` for one that was altered."""
    if not text.startswith(PREFIX) or len(text) > MAX_BYTES:
        raise InvalidSignature("it is not the text of a form")
    raw = _from_base45(text[len(PREFIX) :])
    raw, digest = raw[:-_DIGEST_BYTES], raw[-_DIGEST_BYTES:]
    if len(raw) <= _SIGNATURE_BYTES or hashlib.sha256(raw).digest()[:_DIGEST_BYTES] != digest:
        raise InvalidSignature("the text was altered, or not read whole")
    inflater = zlib.decompressobj()
    try:
        inflated = inflater.decompress(raw[_SIGNATURE_BYTES:], MAX_BYTES)
    except zlib.error:
        raise InvalidSignature("the text was altered, or not read whole") from None
    header, newline, body = inflated.partition(b"\n")
    if not inflater.eof or inflater.unused_data or not newline:
        raise InvalidSignature("the text was altered, or not read whole")
    return ".".join(_encoded(part) for part in (header, body, raw[:_SIGNATURE_BYTES]))


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


def _encoded(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def _decoded(part: str) -> bytes:
    """Base64url without padding, in its one spelling."""
    try:
        raw = urlsafe_b64decode(part.encode("ascii") + b"=" * (-len(part) % 4))
    except ValueError:
        raise InvalidSignature("it is not a signed form") from None
    if _encoded(raw) != part:
        raise InvalidSignature("it is not written as the signer writes it")
    return raw


def _to_base45(raw: bytes) -> str:
    letters = []
    for at in range(0, len(raw), 2):
        pair = raw[at : at + 2]
        number = int.from_bytes(pair, "big")
        for _ in range(len(pair) + 1):
            number, rest = divmod(number, 45)
            letters.append(_BASE45[rest])
    return "".join(letters)


def _from_base45(text: str) -> bytes:
    raw = bytearray()
    for at in range(0, len(text), 3):
        values = [_BASE45.find(letter) for letter in text[at : at + 3]]
        number = sum(value * 45**place for place, value in enumerate(values))
        count = len(values) - 1
        if min(values) < 0 or count == 0 or number >= 256**count:
            raise InvalidSignature("the text was altered, or not read whole")
        raw += number.to_bytes(count, "big")
    return bytes(raw)
