"""The one spelling of a student number, for whatever takes numbers from outside."""

import re
import unicodedata
from typing import Final

from schemas.types import STUDENT_ID_PATTERN

MAX_SPELLING: Final = 255
"""Longer input is not read: NFKC may make eighteen characters of one."""

_STUDENT_ID: Final = re.compile(STUDENT_ID_PATTERN[1:-1])
_CANONICAL: Final = re.compile(STUDENT_ID_PATTERN[1:-1].replace("a-z", ""))


def canonical_student_id(text: str) -> str | None:
    """NFKC, trimmed, upper case; None when it is no student number."""
    if _CANONICAL.fullmatch(text):
        return text
    if len(text) > MAX_SPELLING:
        return None
    spelling = unicodedata.normalize("NFKC", text).strip()
    # Upper case comes after the pattern, of ASCII alone: `ß` would become the `SS` of another student.
    return spelling.upper() if _STUDENT_ID.fullmatch(spelling) else None


def is_canonical_student_id(text: str) -> bool:
    return _CANONICAL.fullmatch(text) is not None
