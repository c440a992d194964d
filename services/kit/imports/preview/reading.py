"""Reads a file for a preview: every row is validated, the first ones are kept to be tried."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

from pydantic import ValidationError

from schemas.student_ids import canonical_student_id
from services.kit.imports.files.columns import Headings
from services.kit.imports.files.problems import RowProblem
from services.kit.imports.files.rows import ReadRow
from services.kit.imports.files.table import Table
from services.kit.imports.reasons import row_problems
from services.kit.imports.repeated_rows import RepeatedRows
from services.kit.imports.spec import ImportSpec

MAX_TRIED: Final = 20_000
MAX_REJECTED_SHOWN: Final = 100
_ROWS_AT_ONCE: Final = 2_000


@dataclass(frozen=True, slots=True)
class CheckedRow:
    """`cells`: in the terms of the import. `problems`: it is rejected."""

    number: int
    cells: dict[str, str]
    student_id: str | None
    problems: tuple[RowProblem, ...]
    unnamed_cell: bool


@dataclass
class FileRead:
    """`rejected`: rows after the kept ones; the first of them are in `more_rejected`."""

    kept: list[CheckedRow] = field(default_factory=list)
    total: int = 0
    rejected: int = 0
    more_rejected: list[CheckedRow] = field(default_factory=list)


async def read_rows(spec: ImportSpec[Any], table: Table) -> FileRead:
    """Parsed in a thread, a slice at a time. Raises `Unimportable` for a fault of the whole file."""
    read, rows = FileRead(), RepeatedRows(spec, table.headings.labels).rejected(table.rows)
    while await asyncio.to_thread(_read_some, spec, table.headings, rows, read):
        pass
    return read


def _read_some(spec: ImportSpec[Any], headings: Headings, rows: Iterator[ReadRow], read: FileRead) -> bool:
    more = False
    for row in islice(rows, _ROWS_AT_ONCE):
        more = True
        read.total += 1
        checked = _checked(spec, headings, row)
        if len(read.kept) < MAX_TRIED:
            read.kept.append(checked)
        elif checked.problems:
            read.rejected += 1
            if len(read.more_rejected) < MAX_REJECTED_SHOWN:
                read.more_rejected.append(checked)
    return more


def _checked(spec: ImportSpec[Any], headings: Headings, row: ReadRow) -> CheckedRow:
    student_id = canonical_student_id(spec.spelled(row.cells).get("student_id", ""))
    unnamed_cell = spec.has_unnamed(row.cells, row.problems)
    return CheckedRow(row.number, row.cells, student_id, _problems(spec, headings, row), unnamed_cell)


def _problems(spec: ImportSpec[Any], headings: Headings, row: ReadRow) -> tuple[RowProblem, ...]:
    if row.problems:
        return row.problems
    try:
        spec.read(row.cells)
    except ValidationError as error:
        return row_problems(error, spec.columns, headings.labels)
    return ()
