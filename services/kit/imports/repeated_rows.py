"""Rows of one file that say different things of one item: which is right is unknown.

As two terms of a fee under one joined id, or a book that was returned and lent again: the last row would win, and a
debt or a book be lost.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Final, Generic, TypeVar

from pydantic import ValidationError

from schemas.student_ids import canonical_student_id
from services.kit.imports.files.kinds import FieldKind
from services.kit.imports.files.problems import RowProblem, Text, problem
from services.kit.imports.files.rows import ReadRow
from services.kit.imports.spec import ImportSpec
from services.kit.operations import OperationBody

T = TypeVar("T", bound=OperationBody)
_Kept = tuple[int, bytes]
"""Number and cells: as bytes they take a fraction of the memory."""


class RepeatedRows(Generic[T]):
    """Of one file. A row that names its own instant contradicts only those of the same one: the newest word counts."""

    def __init__(self, spec: ImportSpec[T], labels: Mapping[str, str]) -> None:
        """`labels`: field → heading."""
        self._spec = spec
        self._labels = {**spec.columns.unnamed.labels, **labels}
        kinds = spec.columns.kinds
        self._ids = [name for name, kind in kinds.items() if kind.identifies and kind is not FieldKind.STUDENT_ID]
        self._first: dict[str, _Kept] = {}
        self._items: dict[tuple[str, str], _Kept] = {}
        """Student and item → the last row about it, of students with several rows."""

    def rejected(self, rows: Iterable[ReadRow]) -> Iterator[ReadRow]:
        """The rows; one that contradicts a row before it has a problem."""
        if self._spec.contradict is None:
            return iter(rows)
        return (row if row.problems else self._checked(row) for row in rows)

    def _checked(self, row: ReadRow) -> ReadRow:
        values = self._spec.spelled(row.cells)
        student_id = canonical_student_id(values.get("student_id", ""))
        if student_id is None:
            return row
        kept = row.number, json.dumps(values, ensure_ascii=False).encode()
        first = self._first.setdefault(student_id, kept)
        if first is kept:
            return row
        if first[1]:
            self._keep(student_id, first)
            self._first[student_id] = (first[0], b"")
        others = {self._items.get((student_id, item)) for item in self._items_of(values)}
        for other in sorted(each for each in others if each is not None):
            if other[1] != kept[1] and self._contradict(other, kept):
                return ReadRow(row.number, row.cells, (self._problem(other, values),))
        self._keep(student_id, kept)
        return row

    def _keep(self, student_id: str, kept: _Kept) -> None:
        """Unless it is rejected for itself."""
        with suppress(ValidationError):
            self._read(kept)
            self._items |= {(student_id, item): kept for item in self._items_of(json.loads(kept[1]))}

    def _read(self, kept: _Kept) -> T:
        return self._spec.row.model_validate(json.loads(kept[1]))

    def _items_of(self, values: Mapping[str, str]) -> frozenset[str]:
        """Those that have an id, which may be one id of two items; a state of the student is one by itself."""
        ids = {name: values[name] for name in self._ids if name in values}
        return self._spec.items(ids) if ids and self._spec.items else frozenset()

    def _contradict(self, one: _Kept, other: _Kept) -> bool:
        try:
            rows = self._read(one), self._read(other)
        except ValidationError:
            return False
        instants = {getattr(row, "as_of", None) for row in rows}
        return self._spec.contradict is not None and len(instants) == 1 and self._spec.contradict(*rows)

    def _problem(self, other: _Kept, values: Mapping[str, str]) -> RowProblem:
        said = json.loads(other[1])
        differ = [
            name
            for name, kind in self._spec.columns.kinds.items()
            if not kind.identifies and said.get(name) != values.get(name)
        ]
        names = "、".join(f"“{self._labels[name]}”" for name in differ)
        fault = Text(
            f"与第 {other[0]} 行说的是同一项，但 {names} 不同，无法判断以哪一行为准。",
            f"This row is about the same item as row {other[0]}, and differs in {names}: which is right is unknown.",
        )
        return problem(differ[0], fault, _ONE_ROW)


_ONE_ROW: Final = Text(
    "每一项只保留一行，写明现在的情况；如确是两项，请使用不同的编号。",
    "Keep one row for each item, which says how it stands now; two items need two ids.",
)
