"""A compact JWS as QR text. Pure.

`LXF1:`, then in Base45 (RFC 9285) signature, deflated header and payload, and eight bytes of their SHA-256: two thirds
of the JWS's space. In a link, `LXF2:` and the same bytes in Base41: as dense, in characters that a fragment may have.
"""

import hashlib
import zlib
from collections.abc import Mapping
from typing import Final

from joserfc.jwk import OKPKey

from services.kit.receipts.jws import MAX_BYTES, Form, InvalidSignature, decoded, encoded, unverified, verify

PREFIX: Final = "LXF1:"
LINK_PREFIX: Final = "LXF2:"
"""In a link, after its `#`, which no browser sends to a server."""
MAX_QR_CHARS: Final = 2520
"""QR version 30, level L: the densest a phone reads from paper."""
_SIGNATURE_BYTES: Final = 64
_DIGEST_BYTES: Final = 8
_BASE45: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
_BASE41: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ$*-/:"
"""Those of a QR code's alphanumeric mode that a URL's fragment may have and that no reader changes or cuts off."""
_ALPHABETS: Final[Mapping[str, str]] = {PREFIX: _BASE45, LINK_PREFIX: _BASE41}


def pack(receipt: str) -> str:
    """May be longer than `MAX_QR_CHARS`."""
    header, body, signature = (decoded(part) for part in receipt.split("."))
    raw = signature + zlib.compress(header + b"\n" + body, 9)
    return PREFIX + _spelled(raw + hashlib.sha256(raw).digest()[:_DIGEST_BYTES], _BASE45)


def link_text(qr_text: str) -> str:
    """A link's fragment for the text of `pack`, and as long. Raises `InvalidSignature`."""
    return LINK_PREFIX + _spelled(_read(qr_text.removeprefix(PREFIX), _BASE45), _BASE41)


def packed_in(text: str) -> str | None:
    """What `unpack` reads, of a QR code's text or a link of any address; None without."""
    _, fragment, linked = text.partition(f"#{LINK_PREFIX}")
    if fragment:
        return LINK_PREFIX + linked
    return text if text.startswith(tuple(_ALPHABETS)) else None


def verify_text(text: str, keys: Mapping[str, OKPKey]) -> Form:
    """QR text, link or compact JWS. Raises `InvalidSignature`."""
    return verify(_receipt(text), keys)


def unverified_text(text: str) -> Form:
    """As `verify_text`, without looking at the signature."""
    return unverified(_receipt(text))


def _receipt(text: str) -> str:
    packed = packed_in(text)
    return text if packed is None else unpack(packed)


def unpack(text: str) -> str:
    """Raises `InvalidSignature`."""
    alphabet = _ALPHABETS.get(text[: len(PREFIX)])
    if alphabet is None or len(text) > MAX_BYTES:
        raise InvalidSignature("it is not the text of a form")
    raw = _read(text[len(PREFIX) :], alphabet)
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


def _spelled(raw: bytes, alphabet: str) -> str:
    characters = []
    for at in range(0, len(raw), 2):
        pair = raw[at : at + 2]
        number = int.from_bytes(pair, "big")
        for _ in range(len(pair) + 1):
            number, rest = divmod(number, len(alphabet))
            characters.append(alphabet[rest])
    return "".join(characters)


def _read(text: str, alphabet: str) -> bytes:
    raw = bytearray()
    for at in range(0, len(text), 3):
        values = [alphabet.find(character) for character in text[at : at + 3]]
        number = sum(value * len(alphabet) ** position for position, value in enumerate(values))
        count = len(values) - 1
        if min(values) < 0 or count == 0 or number >= 256**count:
            raise InvalidSignature("the text was altered or read incompletely")
        raw += number.to_bytes(count, "big")
    return bytes(raw)
