"""Columns of a file by their headings. Pure."""

import re
import unicodedata
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pydantic import BaseModel

from services.kit.imports.files.kinds import FieldKind, field_kind
from services.kit.imports.files.problems import Place, RowProblem, Text, Unimportable, problem

MAX_COLUMNS: Final = 100
_MAX_KEPT: Final = 200
"""Characters kept of a refused cell, for the export."""
ADDED: Final = ("import_row", "import_problem", "import_remedy")
"""Columns the export of rejected rows adds: ignored, so that a corrected export can be uploaded as it is."""

IGNORED: Final = ""
ORIGINAL: Final = "="
"""Before the key of a cell that is kept as the file has it, beside its translation."""
CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Headings:
    """The first row of a file: the field of each column, and each field's heading as the file writes it.

    A column's field is None without a heading, `IGNORED` if the export of rejected rows added it or a source says so.
    """

    fields: tuple[str | None, ...]
    labels: Mapping[str, str]
    kinds: Mapping[str, FieldKind]
    ids: frozenset[str]
    """The fields that identify something."""
    source: str | None = None
    """The name of the source these headings are read by."""
    ignored: tuple[str, ...] = ()
    """Headings that the source ignores."""
    translate: Callable[[dict[str, str]], Sequence[RowProblem]] | None = None
    """Changes the cells of a row from the source's words to this import's."""

    def field(self, index: int) -> str | None:
        """Of the column `index`, from 0."""
        return self.fields[index] if index < len(self.fields) else None

    def kind(self, field: str | None) -> FieldKind:
        return self.kinds.get(field or "", FieldKind.TEXT)

    def place(self, field: str | None, at: Text | None = None) -> Place:
        return Place(self.labels.get(field or "", field or ""), at)


class Columns:
    """The columns of a row model, by field name or by heading (`{"学号": "student_id"}`)."""

    def __init__(self, row: type[BaseModel], headings: Mapping[str, str]) -> None:
        unknown = set(headings.values()) - row.model_fields.keys()
        if unknown:
            raise ValueError(f"headings name fields that {row.__name__} has not: {', '.join(sorted(unknown))}")
        # An instant of the row is about the others and comes last.
        order = sorted(row.model_fields, key=lambda name: name == "as_of")
        self.required = tuple(name for name, field in row.model_fields.items() if field.is_required())
        self.kinds = {name: field_kind(name, row.model_fields[name]) for name in order}
        self.examples = {name: str(field.examples[0]) for name, field in row.model_fields.items() if field.examples}
        self._labels = {name: [head for head, field in headings.items() if field == name] for name in order}
        self._fields = {plain(name): name for name in row.model_fields}
        self._fields |= {plain(heading): name for heading, name in headings.items()}
        self._ids = frozenset(name for name, kind in self.kinds.items() if kind.identifies)
        labels = {name: (heads or [name])[0] for name, heads in self._labels.items()}
        self.unnamed = Headings((), labels, self.kinds, self._ids)
        """Of a file without a row of headings."""

    def field(self, heading: str) -> str | None:
        """The field of a heading, `IGNORED`, or None."""
        return self._fields.get(plain(heading))

    def names_student(self, heading: str) -> bool:
        return self.field(heading) == "student_id"

    @property
    def known(self) -> list[str]:
        """Every accepted column with its other headings: `student_id (学号)`."""
        return [f"{name} ({', '.join(other)})" if other else name for name, other in self._labels.items()]

    def match(self, headings: Sequence[str]) -> Headings:
        """The headings of a file. Raises `Unimportable` naming every unknown, repeated or missing column."""
        found, errors = self.read(headings)
        if errors:
            raise headings_wrong(errors)
        return found

    def read(self, headings: Sequence[str]) -> tuple[Headings, list[RowProblem]]:
        """The headings of a file, and what is wrong with them."""
        if len(headings) > MAX_COLUMNS:
            too_many = Text(f"列数超过 {MAX_COLUMNS}。", f"There are more than {MAX_COLUMNS} columns.")
            raise headings_wrong([problem("", too_many, Text("只保留需要的列。", "Keep the known ones only."))])
        fields: list[str | None] = []
        errors: list[RowProblem] = []
        for number, heading in enumerate(headings, 1):
            field = IGNORED if plain(heading) in ADDED else self.field(heading)
            if field is None and heading.strip():
                errors.append(self._unknown(number, heading))
            elif field and field in fields:
                twice = Text(f"第 {number} 列与前面的列重复。", f"Column {number} is this field a second time.")
                errors.append(problem(field, twice, Text("只保留其中一列。", "Keep one of the two.")))
            fields.append(field)
        errors += [self._missing(name) for name in self.required if name not in self.given(fields)]
        labels = {field: storable(heading.strip()) for field, heading in zip(fields, headings, strict=True) if field}
        return Headings(tuple(fields), labels, self.kinds, self._ids), errors

    def given(self, fields: Collection[str | None]) -> Collection[str | None]:
        """The fields that a file with these columns has."""
        return fields

    def _unknown(self, number: int, heading: str) -> RowProblem:
        fault = Text(f"列名“{storable(heading)}”无法识别。", f"The column “{storable(heading)}” is unknown.")
        known = "; ".join(self.known)
        return problem(
            f"column {number}", fault, Text(f"删除该列，或改名为：{known}。", f"Remove it, or name it: {known}.")
        )

    def _missing(self, name: str) -> RowProblem:
        called = " or ".join([name, *self._labels[name]])
        remedy = Text(f"请增加一列“{self.unnamed.labels[name]}”。", f"Add a column {called}.")
        return problem(name, Text("缺少这一必填列。", "This required column is missing."), remedy)


def headings_wrong(errors: list[RowProblem]) -> Unimportable:
    title = Text("列名与本导入不符。", "The columns are not those of this import.")
    remedy = Text(
        "请按 errors 更正第一行的列名后重新上传；没有写入任何数据。",
        "Correct the headings that `errors` names in the first row and upload the file again; nothing was stored.",
    )
    return Unimportable("wrong-headings", title, remedy, errors=errors[:50])


def plain(heading: str) -> str:
    """What equal headings have in common: case, width, spaces and the star of a required column do not count."""
    return "".join(unicodedata.normalize("NFKC", heading).casefold().split()).strip("\ufeff*")


def storable(text: str) -> str:
    """As much of a refused text as can be stored and shown."""
    return CONTROL.sub("\ufffd", text[:_MAX_KEPT])
