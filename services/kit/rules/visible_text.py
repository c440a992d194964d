"""Texts show all their characters: no bidi control, no invisible one. Pure.

A name that turns the text after it around reads on a form as another name. Joiners and variation selectors stay:
scripts and names need them.
"""

import re
from typing import Final

from pydantic import AfterValidator, ValidationInfo
from pydantic_core import PydanticCustomError

STORED: Final = {"stored": True}
"""Validation context of a record from the database: it was right by the rules of its day."""
INVISIBLE_CHARACTER: Final = "invisible_character"
_INVISIBLE: Final = re.compile(
    "["
    "\x80-\x9f"  # C1 controls
    "\xad\u034f\u180e\u200b\u2060-\u2064\ufeff"  # soft hyphen, joiners and spaces of no width
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u206f"  # bidi controls
    "\u2028\u2029"  # line and paragraph separators
    "\u115f\u1160\u17b4\u17b5\u3164\uffa0"  # fillers
    "\ufff0-\ufffb\U000e0000-\U000e00ff"  # annotations, tags
    "]"
)


def invisible_in(text: str) -> str | None:
    """The first one, as `U+202E`."""
    found = _INVISIBLE.search(text)
    return f"U+{ord(found[0]):04X}" if found else None


def _visible(text: str, info: ValidationInfo) -> str:
    if info.context is not STORED and (code := invisible_in(text)) is not None:
        context = {"code": code, "remedy": "Type the value anew: what it was copied from has invisible characters."}
        raise PydanticCustomError(INVISIBLE_CHARACTER, "A text has the invisible character {code}", context)
    return text


VISIBLE: Final = AfterValidator(_visible)
