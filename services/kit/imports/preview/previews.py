"""Previews of files: what an import would do, and nothing of it done."""

import asyncio
import hashlib
from collections.abc import Callable, Iterable
from datetime import datetime
from itertools import chain, islice
from typing import Any, Final

import asyncpg
from opentelemetry.instrumentation.utils import suppress_instrumentation

from schemas.student_ids import canonical_student_id
from services.kit.audit import log
from services.kit.imports.files.columns import Columns, Headings
from services.kit.imports.files.formats import Format, open_file
from services.kit.imports.files.problems import Text, Unimportable
from services.kit.imports.files.table import Table
from services.kit.imports.preview.answer import Preview, PreviewColumn, PreviewRow
from services.kit.imports.preview.reading import MAX_REJECTED_SHOWN, CheckedRow, FileRead, read_rows
from services.kit.imports.preview.trial import Trial, TriedRow
from services.kit.imports.spec import ImportSpec
from services.kit.student_numbers import Standing

_LONGEST_S: Final = 30.0
"""Of trying rows."""
_WAIT_S: Final = 10.0


class Previews:
    """One at a time, which bounds the memory and the load."""

    def __init__(
        self,
        spec: ImportSpec[Any],
        pool: "asyncpg.Pool[Any]",
        clock: Callable[[], datetime],
        *,
        longest_s: float = _LONGEST_S,
    ) -> None:
        self._spec = spec
        self._pool = pool
        self._clock = clock
        self._longest_s = longest_s
        self._one_at_a_time = asyncio.Lock()

    async def preview(
        self, kind: Format, data: bytes, columns: Columns, by: str, *, shown: int, as_of: datetime | None = None
    ) -> Preview:
        """Writes nothing but an audit entry. Raises `Unimportable`."""
        try:
            async with asyncio.timeout(_WAIT_S):
                await self._one_at_a_time.acquire()
        except TimeoutError:
            title = Text("正在预览另一个文件。", "Another file is being previewed.")
            raise Unimportable(
                "too-many-previews", title, Text("请稍后再试。", "Try again soon."), status=429
            ) from None
        try:
            return await self._preview(kind, data, columns, by, shown, as_of)
        finally:
            self._one_at_a_time.release()

    async def _preview(
        self, kind: Format, data: bytes, columns: Columns, by: str, shown: int, as_of: datetime | None
    ) -> Preview:
        table = await asyncio.to_thread(open_file, data, kind, columns)
        read = await read_rows(self._spec, table)
        shown_rows = read.kept[:shown]
        last_shown = shown_rows[-1].number if shown_rows else 0
        async with self._pool.acquire() as connection:
            with suppress_instrumentation():
                tried = await self._try(connection, read.kept, Trial(self._spec, by, self._clock(), last_shown, as_of))
            answer = self._answer(kind, table, read, tried, shown_rows)
            async with connection.transaction():
                await log.append_entry(
                    connection,
                    actor=by,
                    act=f"import.{self._spec.kind}",
                    outcome="previewed",
                    details={
                        "sha256": (await asyncio.to_thread(hashlib.sha256, data)).hexdigest(),
                        **answer.model_dump(include={"rows_total", "rows_tried", "applied", "unchanged", "rejected"}),
                    },
                )
                looked_at = {
                    canonical_student_id(row.fields.get("student_id", "")) for row in answer.rows if row.before
                }
                await log.append_look_up(
                    connection,
                    actor=by,
                    act=f"import.{self._spec.kind}",
                    students=sorted(number for number in looked_at if number),
                )
        return answer

    async def _try(self, connection: Any, rows: Iterable[CheckedRow], trial: Trial) -> dict[int, TriedRow]:
        """By row number; as many students as there is time for, in the order of their first rows."""
        deadline = asyncio.get_running_loop().time() + self._longest_s
        students: dict[object, list[CheckedRow]] = {}
        for row in rows:
            students.setdefault(row.student_id or row.number, []).append(row)
        tried: dict[int, TriedRow] = {}
        for own in students.values():
            if asyncio.get_running_loop().time() > deadline:
                break
            tried |= {each.row.number: each for each in await trial.student(connection, own)}
        return tried

    def _answer(
        self, kind: Format, table: Table, read: FileRead, tried: dict[int, TriedRow], shown: list[CheckedRow]
    ) -> Preview:
        states = [each.state for each in tried.values()]
        untried = [row for row in read.kept if row.number not in tried]
        numbers = {row.number for row in shown}
        rejected = chain(
            (each for each in read.kept if each.number not in numbers and _is_rejected(each, tried)), read.more_rejected
        )
        return Preview(
            format=kind.value,
            encoding=table.encoding,
            warnings=table.warnings,
            source=table.headings.source,
            columns=self._columns(table.headings),
            ignored=table.headings.ignored,
            rows_total=read.total,
            rows_tried=len(tried),
            applied=states.count("applied"),
            unchanged=states.count("unchanged"),
            held=states.count("held"),
            outdated=states.count("outdated"),
            unknown_students=sum(each.standing is Standing.UNKNOWN for each in tried.values()),
            rejected=states.count("rejected") + read.rejected + sum(bool(row.problems) for row in untried),
            rows=tuple(self._row(row, tried) for row in shown),
            rejected_rows=tuple(self._row(row, tried) for row in islice(rejected, MAX_REJECTED_SHOWN)),
        )

    def _columns(self, headings: Headings) -> tuple[PreviewColumn, ...]:
        source = self._spec.sources[headings.source] if headings.source else None
        columns = []
        for field in headings.fields:
            if field:
                fields = (field,) if source is None else source.fields_of(field)
                columns.append(PreviewColumn(heading=headings.labels[field], fields=fields))
        return tuple(columns)

    def _row(self, row: CheckedRow, tried: dict[int, TriedRow]) -> PreviewRow:
        found = tried.get(row.number)
        return PreviewRow(
            row=row.number,
            state=found.state if found else "rejected" if row.problems else "not-tried",
            standing=found.standing if found else None,
            fields=self._spec.spelled(row.cells),
            problems=found.problems if found else row.problems,
            before=found.before if found else None,
            after=found.after if found else None,
        )


def _is_rejected(row: CheckedRow, tried: dict[int, TriedRow]) -> bool:
    found = tried.get(row.number)
    return found.state == "rejected" if found else bool(row.problems)
