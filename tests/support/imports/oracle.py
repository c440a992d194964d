"""What a department may call clear after files of rows: a small second opinion, of items and questions alone.

It knows nothing of records, statuses or SQL: only which rows were good, what each said of which item, and which files
said that they were whole.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

EVERYBODY: Final = "*"


@dataclass(frozen=True, slots=True)
class Kind:
    """What a row may say. `clear` is None for a row that has to be refused.

    `cells`: `{item}` is filled in. `item`: of what it speaks; empty if that cannot be read. `check`: of its item; empty
    for a row that is evidence of nothing.
    """

    name: str
    cells: Mapping[str, str]
    item: str
    check: str
    clear: bool | None


@dataclass(frozen=True, slots=True)
class Row:
    """`student`: empty for one that cannot be read."""

    student: str
    kind: Kind
    item: str

    @property
    def about(self) -> str:
        """However the item is spelled."""
        return self.kind.item.format(item=self.item).casefold()


def refused(rows: Iterable[Row]) -> list[bool]:
    """Which rows of a file have to be: also those that say something else of an item with an id than one before."""
    said: dict[tuple[str, str], Kind] = {}
    return [
        row.kind.clear is None
        or not row.student
        or ("{item}" in row.kind.item and said.setdefault((row.student, row.about), row.kind) != row.kind)
        for row in rows
    ]


@dataclass
class _Question:
    file: int
    about: str
    settled: bool = False
    answered_by: set[int] = field(default_factory=set)


@dataclass
class Oracle:
    """`needed`: check → the items without which it is not clear. `absent`: checks that are clear of no row at all."""

    needed: Mapping[str, frozenset[str]]
    absent: frozenset[str]
    cohorts: Mapping[str, str]
    _items: dict[tuple[str, str], dict[str, bool]] = field(default_factory=dict)
    _questions: dict[str, list[_Question]] = field(default_factory=dict)
    _lists: dict[int, frozenset[str]] = field(default_factory=dict)
    _refused_files: list[tuple[int, frozenset[str]]] = field(default_factory=list)

    def file(self, number: int, rows: Iterable[Row], covers: frozenset[str]) -> None:
        """A file whose headings were right."""
        rows = tuple(rows)
        wrong = [row for row, is_refused in zip(rows, refused(rows), strict=True) if is_refused]
        for row, is_refused in zip(rows, refused(rows), strict=True):
            if not is_refused:
                self._good(number, row)
            elif row.student:
                self._questions.setdefault(row.student, []).append(_Question(number, row.about))
        if all(row.student in self.cohorts for row in wrong):
            self._listed(number, {row.student for row in wrong}, covers)

    def _good(self, number: int, row: Row) -> None:
        if row.kind.check and row.kind.clear is not None:
            self._items.setdefault((row.student, row.kind.check), {})[row.about] = row.kind.clear
        for question in self._questions.get(row.student, ()):
            if question.about and question.about == row.about and question.file != number:
                question.settled = True

    def _listed(self, number: int, refused: set[str], covers: frozenset[str]) -> None:
        if not covers:
            return
        self._lists[number] = covers
        for student, questions in self._questions.items():
            if student not in refused and (EVERYBODY in covers or self.cohorts.get(student) in covers):
                for question in questions:
                    question.answered_by.add(number)

    def refused_file(self, number: int, covers: frozenset[str]) -> None:
        self._refused_files.append((number, covers or frozenset({EVERYBODY})))

    def withdrawn(self) -> None:
        """Every list."""
        self._lists.clear()

    def may_be_clear(self, student: str) -> frozenset[str]:
        if self._in_doubt(student):
            return frozenset()
        return frozenset(check for check in self.needed if self._clear(student, check))

    def _in_doubt(self, student: str) -> bool:
        return any(
            not question.settled and not (question.answered_by & self._lists.keys())
            for question in self._questions.get(student, ())
        )

    def _clear(self, student: str, check: str) -> bool:
        items = self._items.get((student, check))
        if items is None:
            return check in self.absent and self._on_a_list(student)
        return all(items.values()) and self.needed[check] <= items.keys()

    def _on_a_list(self, student: str) -> bool:
        mine = {number for number, covers in self._lists.items() if self._includes(covers, student)}
        doubts = [number for number, covers in self._refused_files if self._includes(covers, student)]
        return bool(mine) and all(any(number > doubt for number in mine) for doubt in doubts)

    def _includes(self, covers: frozenset[str], student: str) -> bool:
        return EVERYBODY in covers or self.cohorts.get(student) in covers
