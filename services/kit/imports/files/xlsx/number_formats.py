"""A whole number as a spreadsheet shows it with the number format of its cell. Pure."""

import re
from typing import Final

_TOKEN: Final = re.compile(r'"([^"]*)"|\\(.)|(_.|\[\$-[0-9A-Fa-f]+\])|(.)', re.DOTALL)
_LITERALS: Final = frozenset("-/() ")
_PLAIN: Final = frozenset({"", "general", "@"})
_DIGIT: Final = "\0"
_PADDED: Final = "\1"


def shown(value: int, number_format: str) -> str | None:
    """`7` in `0000` is `0007`, in `"B"000` it is `B007`. None for a format that is not digits and literals."""
    if value < 0:
        return None
    if number_format.strip().lower() in _PLAIN:
        return str(value)
    template = _template(number_format)
    return _filled(str(value), template) if template else None


def _template(number_format: str) -> list[str] | None:
    """The format's first section: literals, and a mark for each digit. None if it has no digit or is not plain."""
    parts: list[str] = []
    for quoted, escaped, ignored, plain in _TOKEN.findall(number_format):
        if plain == ";":
            break
        if plain in ("0", "#"):
            parts.append(_PADDED if plain == "0" else _DIGIT)
        elif plain in _LITERALS or quoted or escaped:
            parts.append(quoted or escaped or plain)
        elif plain and not ignored:
            return None
    return parts if _PADDED in parts or _DIGIT in parts else None


def _filled(digits: str, template: list[str]) -> str:
    places = [at for at, part in enumerate(template) if part in (_PADDED, _DIGIT)]
    text = list(template)
    for at in reversed(places[1:]):
        text[at] = digits[-1:] or ("0" if template[at] == _PADDED else "")
        digits = digits[:-1]
    text[places[0]] = digits or ("0" if template[places[0]] == _PADDED else "")
    return "".join(text).strip()
