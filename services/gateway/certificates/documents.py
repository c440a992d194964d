"""A proxy's document number as a keyed hash: it can be compared with a number, and is not kept. Pure.

The key, which is not in the database, is what protects: whoever has key and hashes can try all numbers there are.
"""

import hmac
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from schemas.events import DocumentSeal

_PURPOSE: Final = "lixiao proxy document 1"
_OF_HANDOVER: Final = "lixiao proxy document of a hand-over 1"
_BETWEEN: Final = re.compile(r"[\s\-·.()]+")
"""Of a Hong Kong identity card too: `A123456(7)`."""
_NUMBER: Final = re.compile(r"[0-9A-Z]{5,30}")
_RESIDENT: Final = re.compile(r"[1-9][0-9]{16}[0-9X]")
_WEIGHTS: Final = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECK: Final = "10X98765432"
_KEY_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_LEAST_BYTES: Final = 32


class NoNumber(ValueError):
    """Not a document number; `mistyped`: a resident's number whose last character does not fit."""

    def __init__(self, *, mistyped: bool = False) -> None:
        super().__init__("no document number")
        self.mistyped = mistyped


def normal(text: str) -> str:
    """As it is hashed: however it was typed. Raises `NoNumber`."""
    number = _BETWEEN.sub("", unicodedata.normalize("NFKC", text)).upper()
    if not _NUMBER.fullmatch(number):
        raise NoNumber
    if _RESIDENT.fullmatch(number) and _CHECK[_sum(number) % 11] != number[-1]:
        raise NoNumber(mistyped=True)
    return number


def _sum(number: str) -> int:
    return sum(weight * int(digit) for weight, digit in zip(_WEIGHTS, number, strict=False))


@dataclass(frozen=True, slots=True)
class DocumentKeys:
    """By id; the first seals, the others are there to compare with. `keys` are in no representation."""

    keys: Mapping[str, bytes] = field(repr=False)

    @classmethod
    def of(cls, text: str) -> "DocumentKeys":
        """A line each of id and key in hexadecimal. Raises `ValueError`, without content."""
        found: dict[str, bytes] = {}
        for line in text.splitlines():
            if not (words := line.split()) or words[0].startswith("#"):
                continue
            found |= _key(words)
        if not found:
            raise ValueError("there is no key")
        return cls(found)

    def seal(self, form_number: str, number: str) -> DocumentSeal:
        """`number` is normal."""
        key_id = next(iter(self.keys))
        return DocumentSeal(key=key_id, hash=_hash(self.keys[key_id], form_number, number))

    def proof(self, seal: DocumentSeal, form_number: str, command_id: UUID) -> str:
        """That the seal was made here for this hand-over, so that its number was typed. Empty without its key."""
        key = self.keys.get(seal.key)
        return "" if key is None else _digest(key, _OF_HANDOVER, form_number, str(command_id), seal.hash)

    def fits(self, seal: DocumentSeal, form_number: str, number: str) -> bool | None:
        """Whether it is of this number; None without its key."""
        key = self.keys.get(seal.key)
        return None if key is None else hmac.compare_digest(_hash(key, form_number, number), seal.hash)


def _key(words: list[str]) -> dict[str, bytes]:
    try:
        key_id, key = words[0], bytes.fromhex(words[1])
    except (IndexError, ValueError):
        raise ValueError("a line is an id and a key in hexadecimal") from None
    if len(words) != 2 or not _KEY_ID.fullmatch(key_id) or len(key) < _LEAST_BYTES:
        raise ValueError(f"a line is an id and a key of {_LEAST_BYTES} bytes or more in hexadecimal")
    return {key_id: key}


def _hash(key: bytes, form_number: str, number: str) -> str:
    """Of one form: one proxy's at two forms have nothing in common."""
    return _digest(key, _PURPOSE, form_number, number)


def _digest(key: bytes, *parts: str) -> str:
    return hmac.digest(key, "\0".join(parts).encode(), "sha256").hex()
