"""What the clearance answers about a student's case, as far as the roster's pages show it."""

from datetime import date, datetime
from typing import Any

from services.gateway.staff.desk.desk_answers import DeskAnswer


class RosterForm(DeskAnswer):
    """An accepted form that stands."""

    form_number: str
    accepted_at: datetime
    handed_over_at: datetime | None


class RosterCase(DeskAnswer):
    """`student`: fields as the roster has them; `outcome`: `applied` or `unchanged`."""

    state: str
    opened_on: date
    outcome: str
    student: dict[str, Any]
    taken_off: bool
    forms: tuple[RosterForm, ...]

    @property
    def off_roster(self) -> bool:
        """What is put about it puts it on the roster again."""
        return self.taken_off or self.state == "closed"

    @property
    def student_id(self) -> str:
        return str(self.student["student_id"])

    @property
    def name(self) -> str:
        return str(self.student["name"])
