"""The number of a form: the year and a random part, spoken and typed without mistakes. Pure.

`2026-K7M3R-X4Q9T-H`. The letters leave out 0, 1, I, L and O. The last one checks the rest: 31 is prime and every
place has its own weight, so that one wrong letter and any two exchanged ones are noticed.
"""

from typing import Final

ALPHABET: Final = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
RANDOM_PLACES: Final = 10
CODE_PLACES: Final = 8
NUMBERS: Final = len(ALPHABET) ** RANDOM_PLACES
"""How many random parts there are; about 2^49.5."""
CODES: Final = len(ALPHABET) ** CODE_PLACES
"""How many verification codes there are; about 2^39.6."""


def form_number(year: int, chosen: int) -> str:
    """The number of a form of `year` whose random part is number `chosen` of `NUMBERS`."""
    body = f"{year:04d}{_letters(chosen, RANDOM_PLACES)}"
    return _spaced(body + _check(body))


def verification_code(chosen: int) -> str:
    """What the public check asks for beside the form's number: number `chosen` of `CODES`."""
    return _letters(chosen, CODE_PLACES)


def read_form_number(text: str) -> str | None:
    """The number as it is printed, from what somebody typed; None when it is none."""
    typed = "".join(text.split()).replace("-", "").upper()
    body, check = typed[:-1], typed[-1:]
    if len(body) != 4 + RANDOM_PLACES or not (body[:4].isascii() and body[:4].isdecimal()):
        return None
    if any(letter not in ALPHABET for letter in body[4:]) or check != _check(body):
        return None
    return _spaced(typed)


def _letters(number: int, places: int) -> str:
    letters = []
    for _ in range(places):
        number, rest = divmod(number, len(ALPHABET))
        letters.append(ALPHABET[rest])
    return "".join(letters)


def _check(body: str) -> str:
    values = [int(digit) for digit in body[:4]] + [ALPHABET.index(letter) for letter in body[4:]]
    total = sum(weight * value for weight, value in enumerate(values, start=1))
    return ALPHABET[-total % len(ALPHABET)]


def _spaced(typed: str) -> str:
    return f"{typed[:4]}-{typed[4:9]}-{typed[9:14]}-{typed[14:]}"
