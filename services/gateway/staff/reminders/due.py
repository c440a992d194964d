"""Which of their lines a student can do something about now, as their own page has it."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from services.gateway.case.progress import CaseProgress, Standing, case_progress
from services.gateway.case.submission.submission_round import SubmissionState
from services.gateway.case.view_model import Turn
from services.gateway.case.wording import turn_of
from services.gateway.read_model.students import ReadModel
from services.gateway.tables.commands import StudentCommandTable
from services.gateway.university import Site

Lines = Mapping[str, tuple[str, ...]]
"""Checks by department."""
_AT_ONCE: Final = 50
"""Between two, others are served."""


def lines_to_do(progress: CaseProgress, department: str = "") -> dict[str, tuple[str, ...]]:
    """Of the one department, or of all. None while a submission is decided; no line that waits for the department."""
    if progress.standing is not Standing.OPEN or progress.submission.state is SubmissionState.ASKED:
        return {}
    found: dict[str, tuple[str, ...]] = {}
    for one in progress.checks:
        name = one.department.name
        if not one.former_number and department in ("", name) and turn_of(one) is Turn.STUDENT:
            found[name] = (*found.get(name, ()), one.check.name)
    return found


@dataclass(frozen=True, slots=True)
class DueLines:
    """Methods may raise transient database errors, and `ReadModelError`."""

    students: ReadModel
    commands: StudentCommandTable
    site: Site

    async def of(self, student_ids: Sequence[str], department: str, now: datetime) -> dict[str, Lines]:
        """Of those who have any."""
        found: dict[str, Lines] = {}
        for first in range(0, len(student_ids), _AT_ONCE):
            some = student_ids[first : first + _AT_ONCE]
            snapshots, newest = await self.students.many(some), await self.commands.newest_of(some)
            for student_id, snapshot in snapshots.items():
                progress = case_progress(snapshot, newest.get(student_id, ()), self.site, now)
                if lines := lines_to_do(progress, department):
                    found[student_id] = lines
            await asyncio.sleep(0)
        return found
