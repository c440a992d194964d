"""Tries the rows of one student after the other, each student in a transaction that is rolled back.

The rows go through the same function as in the import, so that what is seen is what would happen. Rows of different
students change nothing for each other.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import uuid4

import asyncpg

from services.kit.imports.files.problems import RowProblem
from services.kit.imports.preview.answer import PreviewState
from services.kit.imports.preview.reading import CheckedRow
from services.kit.imports.reasons import INTERNAL, OUTDATED, refusal_problem
from services.kit.imports.spec import ImportSpec, RefusedRow, RowSource
from services.kit.operations import Held, Refused
from services.kit.postgres.pool import Connection
from services.kit.rules.instants import Outdated
from services.kit.student_numbers import Standing


@dataclass(frozen=True, slots=True)
class TriedRow:
    """`before`, `after`: of the student, for a row that is shown."""

    row: CheckedRow
    state: PreviewState
    problems: tuple[RowProblem, ...] = ()
    standing: Standing | None = None
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None


class Trial:
    """`shown`: rows up to this number are compared with what was before."""

    def __init__(self, spec: ImportSpec[Any], by: str, now: datetime, shown: int, as_of: datetime | None) -> None:
        self._spec = spec
        self._source = RowSource(uuid4(), by, as_of or now)
        self._now = now
        self._shown = shown

    async def student(self, connection: Connection, rows: Iterable[CheckedRow]) -> list[TriedRow]:
        """The rows of one student, in their order."""
        transaction = connection.transaction()
        await transaction.start()
        try:
            return [await self._row(connection, row) for row in rows]
        finally:
            await transaction.rollback()

    async def _row(self, connection: Connection, row: CheckedRow) -> TriedRow:
        refused = self._refused(row, row.problems)
        shown = refused is not None and row.number <= self._shown
        before = await self._state(connection, refused) if shown else None
        tried = await self._try(connection, row)
        after = await self._state(connection, refused) if shown else None
        return replace(tried, before=before, after=after)

    async def _try(self, connection: Connection, row: CheckedRow) -> TriedRow:
        if row.problems:
            return await self._reject(connection, row, row.problems)
        values = self._spec.read(row.cells)
        try:
            async with connection.transaction():
                effect = await self._spec.apply(connection, values, self._source, self._now)
            return TriedRow(row, effect.outcome, standing=effect.standing)
        except Held:
            return TriedRow(row, "held")
        except Outdated as outdated:
            if self._spec.reject_outdated:
                return await self._reject(connection, row, (OUTDATED,), valid=True)
            return TriedRow(row, "outdated", (OUTDATED,), outdated.standing)
        except Refused as refused:
            problem = refusal_problem(self._spec.refusal(refused), refused.field, refused.remedy)
            return await self._reject(connection, row, (problem,), valid=True)
        except (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError):
            return await self._reject(connection, row, (INTERNAL,))

    async def _reject(
        self, connection: Connection, row: CheckedRow, problems: tuple[RowProblem, ...], *, valid: bool = False
    ) -> TriedRow:
        """The student of a rejected row is in doubt, for this transaction."""
        refused = self._refused(row, problems, valid=valid)
        if refused is None or self._spec.evidence is None:
            return TriedRow(row, "rejected", problems)
        standing = await self._spec.evidence.row_refused(connection, refused, self._now)
        return TriedRow(row, "rejected", problems, standing)

    def _refused(self, row: CheckedRow, problems: tuple[RowProblem, ...], *, valid: bool = False) -> RefusedRow | None:
        return self._spec.refused(
            self._source, row.number, row.cells, problems, unnamed_cell=row.unnamed_cell, valid=valid
        )

    async def _state(self, connection: Connection, row: RefusedRow | None) -> Mapping[str, Any] | None:
        state = self._spec.state
        return None if state is None or row is None else await state(connection, row.student_id)
