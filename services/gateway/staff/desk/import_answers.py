"""What a department's import answers, as far as its pages show it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import Field

from services.gateway.staff.desk.desk_answers import DeskAnswer


class ImportJob(DeskAnswer):
    """Counts are of rows. `covered` is None unless the file names cohorts (`covers`), and until it is read."""

    job_id: UUID
    state: str
    rows_total: int
    rows_done: int
    rows_waiting: int
    applied: int
    unchanged: int
    rejected: int
    outdated: int
    unknown_students: int
    students_questioned: int
    warnings: tuple[str, ...]
    covers: tuple[str, ...]
    covered: bool | None
    uploaded_by: str
    uploaded_at: datetime

    @property
    def done(self) -> bool:
        return self.state == "done"


class ImportJobs(DeskAnswer):
    """Newest first. `next_before`: of the next page."""

    jobs: tuple[ImportJob, ...]
    next_before: int | None


class RowFault(DeskAnswer):
    """`field` is empty for the whole row."""

    field: str
    problem: str
    remedy: str


class ImportRow(DeskAnswer):
    """`row`: as the file's own program numbers it."""

    row: int
    state: str
    problems: tuple[RowFault, ...] = ()


class ImportRows(DeskAnswer):
    rows: tuple[ImportRow, ...]
    next_after: int | None


class PreviewRow(ImportRow):
    """`before` and `after`: the student's checks, if the row was tried."""

    fields: Mapping[str, str]
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None


class ImportPreview(DeskAnswer):
    """What a file would do. The first rows, and the first rejected ones after them."""

    rows_total: int
    rows_tried: int
    applied: int
    unchanged: int
    rejected: int
    outdated: int
    held: int
    unknown_students: int
    warnings: tuple[str, ...]
    ignored: tuple[str, ...]
    rows: tuple[PreviewRow, ...]
    rejected_rows: tuple[PreviewRow, ...] = Field(default=())
