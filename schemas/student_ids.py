"""The canonical spelling of a student number, so that one student is not two under another spelling.

Kept here rather than in one service: whatever takes a number from outside has to spell it in the same way.
"""

import re
import unicodedata
from typing import Final

from schemas.types import STUDENT_ID_PATTERN

MAX_SPELLING: Final = 255
"""Characters of what is read at all: NFKC may make eighteen characters of one."""

_STUDENT_ID: Final = re.compile(STUDENT_ID_PATTERN[1:-1])


def canonical_student_id(text: str) -> str | None:
    """`text` as a student number is stored and compared: NFKC, trimmed, upper case. None when it is no number."""
    if len(text) > MAX_SPELLING:
        return None
    spelling = unicodedata.normalize("NFKC", text).strip()
    # Upper case comes after the pattern, of ASCII alone: `ß` would become the `SS` of another student.
    return spelling.upper() if _STUDENT_ID.fullmatch(spelling) else None
