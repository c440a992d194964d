"""Rows of one partition in memory, as `view_store.forget` and `view_store.apply_rows` keep them in a table. Pure."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from services.clearance.view.records import Forgotten
from services.clearance.view.rows import Row, merge


class PartitionRow(NamedTuple):
    """`open_since`: `occurred_at` of the first status that left the student open, None if nothing is open."""

    row: Row
    open_since: str | None


class PartitionRows:
    """Batches of one partition, folded in its order. Its length is how many students it keeps in memory."""

    def __init__(self) -> None:
        self._rows: dict[str, Row] = {}
        self._open_since: dict[str, str] = {}
        self._forgotten: dict[str, Forgotten] = {}

    def __len__(self) -> int:
        return len(self._rows) + len(self._forgotten)

    def forget(self, forgotten: Iterable[Forgotten]) -> None:
        for gone in forgotten:
            self._forgotten[gone.student_id] = gone
            row = self._rows.get(gone.student_id)
            if row is not None and max(row.offset, row.unreadable_offset, row.older_offset) < gone.offset:
                del self._rows[gone.student_id]
                self._open_since.pop(gone.student_id, None)

    def apply(self, rows: Iterable[Row]) -> None:
        for row in rows:
            student_id = row.student_id
            held = self._rows.get(student_id)
            self._rows[student_id] = row if held is None else merge(held, row)
            if held is None or (row.version, row.offset) > (held.version, held.offset):
                if row.open_codes is None:
                    self._open_since.pop(student_id, None)
                elif student_id not in self._open_since:
                    self._open_since[student_id] = row.occurred_at

    def rows(self) -> Iterator[PartitionRow]:
        """Sorted by student."""
        for student_id in sorted(self._rows):
            yield PartitionRow(self._rows[student_id], self._open_since.get(student_id))

    def forgotten(self) -> list[Forgotten]:
        """Sorted by student. They stand before the rows, and may concern what a table has already."""
        return [self._forgotten[student_id] for student_id in sorted(self._forgotten)]
