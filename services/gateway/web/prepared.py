"""A text with holes: what many answers have in common is made once, and each fills in its own. Pure."""

import re
from collections.abc import Mapping
from typing import Final, Self

_HOLE: Final = re.compile("\x00([^\x00]+)\x00")
_JSON_HOLE: Final = re.compile(r'"\\u0000([^"\\]+)\\u0000"')


def hole(name: str) -> str:
    """No text of a student, a department or the configuration has its characters. It is in JSON a string."""
    return f"\x00{name}\x00"


class Prepared:
    """`names` of the holes, in their order; one may be there several times."""

    __slots__ = ("_pieces", "names")

    def __init__(self, pieces: list[str]) -> None:
        """`pieces`: text and names in turn, text first and last."""
        self.names = tuple(pieces[1::2])
        self._pieces = [piece.encode() for piece in pieces]

    @classmethod
    def of_html(cls, html: str) -> Self:
        return cls(_HOLE.split(html))

    @classmethod
    def of_json(cls, text: str) -> Self:
        return cls(_JSON_HOLE.split(text))

    def filled(self, values: Mapping[str, bytes]) -> bytes:
        """`values`: as they stand in the answer, so escaped, by name."""
        pieces = self._pieces.copy()
        pieces[1::2] = [values[name] for name in self.names]
        return b"".join(pieces)
