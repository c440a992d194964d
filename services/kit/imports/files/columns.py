"""Columns of a file by their headings, and the bounds of a cell. Pure."""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pydantic import BaseModel
from typing_extensions import TypedDict  # pydantic reads only this one before Python 3.12

MAX_COLUMNS: Final = 100
MAX_CELL_BYTES: Final = 4096
_MAX_PROBLEMS: Final = 20
"""Of one row."""
_MAX_KEPT: Final = 200
"""Characters kept of a refused cell, for the export."""
ADDED: Final = ("import_row", "import_problem", "import_remedy")
"""Columns the export of rejected rows adds: ignored, so that a corrected export can be uploaded as it is."""

IGNORED: Final = ""

_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_FORMULA: Final = re.compile(r"[\t\r]|\s*(?:[=@+＝＠＋]|[-－](?![0-9.]))")


class RowProblem(TypedDict):
    """Why a row was rejected. `field` is empty for a fault of the whole row."""

    field: str
    problem: str
    remedy: str


class Unimportable(Exception):
    """The file cannot be imported and nothing was stored. Carries no content of its rows."""

    def __init__(
        self, slug: str, title: str, remedy: str, *, status: int = 422, errors: Sequence[RowProblem] = ()
    ) -> None:
        super().__init__(slug)
        self.slug = slug
        self.title = title
        self.remedy = remedy
        self.status = status
        self.errors = tuple(errors)


@dataclass(frozen=True, slots=True)
class ReadRow:
    """One row: its number as a spreadsheet or editor counts it, and its non-empty cells as text, by field.

    A row with `problems` is rejected; its cells are kept for the export.
    """

    number: int
    cells: dict[str, str]
    problems: tuple[RowProblem, ...] = ()


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell: its field (None for a column without heading), its text, or a fault of its kind."""

    field: str | None
    place: str
    text: str
    wrong: RowProblem | None = None


class Columns:
    """The columns of a row model, by field name or by heading (`{"学号": "student_id"}`)."""

    def __init__(self, row: type[BaseModel], headings: Mapping[str, str]) -> None:
        unknown = set(headings.values()) - row.model_fields.keys()
        if unknown:
            raise ValueError(f"headings name fields that {row.__name__} has not: {', '.join(sorted(unknown))}")
        self.required = tuple(name for name, field in row.model_fields.items() if field.is_required())
        self._labels = {name: [head for head, field in headings.items() if field == name] for name in row.model_fields}
        self._fields = {_plain(name): name for name in row.model_fields}
        self._fields |= {_plain(heading): name for heading, name in headings.items()}

    def field(self, heading: str) -> str | None:
        """The field of a heading, or None."""
        return self._fields.get(_plain(heading))

    @property
    def known(self) -> list[str]:
        """Every accepted column with its other headings: `student_id (学号)`."""
        return [f"{name} ({', '.join(other)})" if other else name for name, other in self._labels.items()]

    def match(self, headings: Sequence[str]) -> list[str | None]:
        """The field of each column: None without a heading, `IGNORED` for a column added by the export.

        Raises `Unimportable` naming every unknown, repeated or missing column.
        """
        if len(headings) > MAX_COLUMNS:
            raise _headings_wrong(
                [_wrong("", f"there are more than {MAX_COLUMNS} columns", "Keep the known ones only.")]
            )
        fields: list[str | None] = []
        errors: list[RowProblem] = []
        for place, heading in enumerate(headings, 1):
            field = self.field(heading)
            if _plain(heading) in ADDED:
                field = IGNORED
            elif field is None and heading.strip():
                remedy = f"Remove it, or name it as one of: {'; '.join(self.known)}."
                errors.append(_wrong(f"column {place}", f"the column {_shown(heading)!r} is unknown", remedy))
            elif field in self._labels and field in fields:
                errors.append(_wrong(field, f"column {place} is this field a second time", "Keep one of the two."))
            fields.append(field)
        for name in self.required:
            if name not in fields:
                errors.append(_wrong(name, "this required column is missing", f"Add a column {self._called(name)}."))
        if errors:
            raise _headings_wrong(errors)
        return fields

    def _called(self, name: str) -> str:
        return " or ".join([name, *self._labels[name]])


def _headings_wrong(errors: list[RowProblem]) -> Unimportable:
    remedy = "Correct the headings that `errors` names in the first row and upload the file again; nothing was stored."
    return Unimportable("wrong-headings", "The columns are not those of this import", remedy, errors=errors[:50])


def cells_of(record: Iterable[tuple[int, str, str]], fields: Sequence[str | None]) -> Iterator[Cell]:
    """The cells of a record outside ignored columns, from (index from 0, location in words, text)."""
    for index, place, text in record:
        field = fields[index] if index < len(fields) else None
        if field != IGNORED:
            yield Cell(field, place, text)


def row_of(number: int, cells: Iterable[Cell]) -> ReadRow | None:
    """One row from its cells, or None when all of them are empty."""
    kept: dict[str, str] = {}
    problems: list[RowProblem] = []
    for cell in cells:
        if cell.wrong is None and not cell.text.strip():
            continue
        wrong = cell.wrong or _cell_wrong(cell)
        if wrong is not None:
            problems.append(wrong)
        if cell.field is not None:
            kept[cell.field] = cell.text if wrong is None else _shown(cell.text)
    if not kept and not problems:
        return None
    return ReadRow(number, kept, tuple(problems[:_MAX_PROBLEMS]))


def _cell_wrong(cell: Cell) -> RowProblem | None:
    if cell.field is None:
        return _wrong("", f"{cell.place} has a value but no heading", "Remove the value or name the column.")
    if len(cell.text) * 4 > MAX_CELL_BYTES and len(cell.text.encode(errors="replace")) > MAX_CELL_BYTES:
        return _wrong(cell.field, f"{cell.place} is longer than {MAX_CELL_BYTES} bytes", "Shorten the text.")
    if _CONTROL.search(cell.text):
        problem = f"{cell.place} holds a control character or half of a character"
        return _wrong(cell.field, problem, "Type the value again, or paste it as plain text.")
    if _FORMULA.match(cell.text):
        problem = f"{cell.place} begins like a formula (=, +, -, @ or a tab)"
        return _wrong(cell.field, problem, "Send the plain value; leave the cell empty for none.")
    return None


def _wrong(field: str, problem: str, remedy: str) -> RowProblem:
    return {"field": field, "problem": problem, "remedy": remedy}


def _plain(heading: str) -> str:
    return unicodedata.normalize("NFKC", heading).strip("\ufeff \t\r\n\u3000").casefold()


def _shown(text: str) -> str:
    """As much of a refused text as can be stored and shown."""
    return _CONTROL.sub("\ufffd", text[:_MAX_KEPT])
