"""What an open page is given when something about its student is new."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import NamedTuple

from services.gateway.read_model.line_comment import LineComment
from services.gateway.read_model.student_rows import StudentRows
from services.gateway.read_model.types import Command


class Read(NamedTuple):
    """What was read of a student at `now`."""

    rows: StudentRows
    commands: tuple[Command, ...]
    comments: tuple[LineComment, ...]
    now: datetime


class LivePage(NamedTuple):
    """`html`: what the browser replaces. `versions`: by department, of the statuses about the student's own number.

    `newest`: when the newest status on it became true. `note_shown` keeps that this student was shown it.
    """

    html: str
    versions: Mapping[str, int]
    newest: datetime | None
    note_shown: Callable[[str], None]
