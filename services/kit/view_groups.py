"""Whom a change of the view may concern, as its notification says it: groups of students, by a hash of the number.

One of 4,096 groups tells a listener nothing, and a reader of a few students which of them to read again.
"""

import hashlib
import re
from typing import Final

MOST_NAMED: Final = 64
"""Changes that are told by group; after more everybody is read again."""
GROUP_SQL: Final = "left(encode(sha256(convert_to(student_id, 'UTF8')), 'hex'), 3)"
_GROUPS: Final = re.compile(r"[0-9a-f]{3}(?:,[0-9a-f]{3})*")


def group_of(student_id: str) -> str:
    """As `GROUP_SQL`."""
    return hashlib.sha256(student_id.encode()).hexdigest()[:3]


def groups_in(notice: str) -> list[str] | None:
    """None: it may concern everybody."""
    return notice.split(",") if _GROUPS.fullmatch(notice) else None
