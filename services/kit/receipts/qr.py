"""A compact JWS as QR text. Pure.

`LXF1:`, then in Base45 (RFC 9285) signature, deflated header and payload, and eight bytes of their SHA-256: two thirds
of the JWS's space.
"""

import hashlib
import zlib
from collections.abc import Mapping
from typing import Final

from joserfc.jwk import OKPKey

from services.kit.receipts.jws import MAX_BYTES, Form, InvalidSignature, decoded, encoded, unverified, verify

PREFIX: Final = "LXF1:"
MAX_QR_CHARS: Final = 2520
"""QR version 30, level L: the densest a phone reads from paper."""
_SIGNATURE_BYTES: Final = 64
_DIGEST_BYTES: Final = 8
_BASE45: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"


def pack(receipt: str) -> str:
    """May be longer than `MAX_QR_CHARS`."""
    header, body, signature = (decoded(part) for part in receipt.split("."))
    raw = signature + zlib.compress(header + b"\n" + body, 9)
    return PREFIX + _to_base45(raw + hashlib.sha256(raw).digest()[:_DIGEST_BYTES])


def verify_text(text: str, keys: Mapping[str, OKPKey]) -> Form:
    """QR text or compact JWS. Raises `InvalidSignature`."""
    return verify(_receipt(text), keys)


def unverified_text(text: str) -> Form:
    """As `verify_text`, without looking at the signature."""
    return unverified(_receipt(text))


def _receipt(text: str) -> str:
    return unpack(text) if text.startswith(PREFIX) else text


def unpack(text: str) -> str:
    """Raises `InvalidSignature`."""
    if not text.startswith(PREFIX) or len(text) > MAX_BYTES:
        raise InvalidSignature("it is not the text of a form")
    raw = _from_base45(text[len(PREFIX) :])
    raw, digest = raw[:-_DIGEST_BYTES], raw[-_DIGEST_BYTES:]
    if len(raw) <= _SIGNATURE_BYTES or hashlib.sha256(raw).digest()[:_DIGEST_BYTES] != digest:
        raise InvalidSignature("the text was altered or read incompletely")
    inflater = zlib.decompressobj()
    try:
        inflated = inflater.decompress(raw[_SIGNATURE_BYTES:], MAX_BYTES)
    except zlib.error:
        raise InvalidSignature("the text was altered or read incompletely") from None
    header, newline, body = inflated.partition(b"\n")
    if not inflater.eof or inflater.unused_data or not newline:
        raise InvalidSignature("the text was altered or read incompletely")
    return ".".join(encoded(part) for part in (header, body, raw[:_SIGNATURE_BYTES]))


def _to_base45(raw: bytes) -> str:
    characters = []
    for at in range(0, len(raw), 2):
        pair = raw[at : at + 2]
        number = int.from_bytes(pair, "big")
        for _ in range(len(pair) + 1):
            number, rest = divmod(number, 45)
            characters.append(_BASE45[rest])
    return "".join(characters)


def _from_base45(text: str) -> bytes:
    raw = bytearray()
    for at in range(0, len(text), 3):
        values = [_BASE45.find(character) for character in text[at : at + 3]]
        number = sum(value * 45**position for position, value in enumerate(values))
        count = len(values) - 1
        if min(values) < 0 or count == 0 or number >= 256**count:
            raise InvalidSignature("the text was altered or read incompletely")
        raw += number.to_bytes(count, "big")
    return bytes(raw)
