"""Form numbers (`2026-K7M3R-X4Q9T-H`) and verification codes, read aloud and typed. Pure.

Without 0, 1, I, L and O. The last character is a check: as 31 is prime and each position has its own weight, one wrong
character or any swap is noticed.
"""

import unicodedata
from typing import Final

ALPHABET: Final = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
RANDOM_CHARACTERS: Final = 10
CODE_CHARACTERS: Final = 8
NUMBERS: Final = len(ALPHABET) ** RANDOM_CHARACTERS
"""About 2^49.5."""
CODES: Final = len(ALPHABET) ** CODE_CHARACTERS
"""About 2^39.6."""


def form_number(year: int, chosen: int) -> str:
    """`chosen` < `NUMBERS`."""
    body = f"{year:04d}{_characters(chosen, RANDOM_CHARACTERS)}"
    return _spaced(body + _check(body))


def verification_code(chosen: int) -> str:
    """The public check asks for it; `chosen` < `CODES`."""
    return _characters(chosen, CODE_CHARACTERS)


def read_form_number(text: str) -> str | None:
    """As printed, however it was typed; None if it is no form number."""
    typed = read_code(text)
    body, check = typed[:-1], typed[-1:]
    if len(body) != 4 + RANDOM_CHARACTERS or not (body[:4].isascii() and body[:4].isdecimal()):
        return None
    if any(character not in ALPHABET for character in body[4:]) or check != _check(body):
        return None
    return _spaced(typed)


def read_code(text: str) -> str:
    """Without what it may be typed with: spaces, hyphens, small or full-width letters."""
    return "".join(unicodedata.normalize("NFKC", text).split()).replace("-", "").upper()


def _characters(number: int, length: int) -> str:
    characters = []
    for _ in range(length):
        number, rest = divmod(number, len(ALPHABET))
        characters.append(ALPHABET[rest])
    return "".join(characters)


def _check(body: str) -> str:
    values = [int(digit) for digit in body[:4]] + [ALPHABET.index(character) for character in body[4:]]
    total = sum(weight * value for weight, value in enumerate(values, start=1))
    return ALPHABET[-total % len(ALPHABET)]


def _spaced(typed: str) -> str:
    return f"{typed[:4]}-{typed[4:9]}-{typed[9:14]}-{typed[14:]}"
