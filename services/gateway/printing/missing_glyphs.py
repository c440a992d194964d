"""Characters that a form prints as boxes, counted by script."""

import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Set
from typing import Any, Final

from fontTools.unicodedata import script

_VARIATION_SELECTORS: Final = frozenset({*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)})


def count_missing(document: Iterable[Any], covered: Set[int]) -> Counter[str]:
    """By ISO 15924 script, `Zzzz` for private use."""
    missing: Counter[str] = Counter()
    for text in _texts(document):
        missing.update(script(char) for char in text if ord(char) not in covered and _has_glyph(char))
    return missing


def _has_glyph(char: str) -> bool:
    """Shaping makes spaces of any width and hides format characters."""
    return not char.isspace() and unicodedata.category(char) != "Cf" and ord(char) not in _VARIATION_SELECTORS


def _texts(values: Iterable[Any]) -> Iterator[str]:
    for value in values:
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            yield from _texts(value.values())
        elif isinstance(value, list):
            yield from _texts(value)
