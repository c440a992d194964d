"""The answer of a preview: how the file was understood, what it would change and what would be refused."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from services.kit.imports.files.problems import RowProblem
from services.kit.student_numbers import Standing

PreviewState = Literal["applied", "unchanged", "rejected", "outdated", "held", "not-tried"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class PreviewColumn(_Part):
    heading: str
    fields: tuple[str, ...] = Field(description="Fields of this import that the column speaks of.")


class PreviewRow(_Part):
    """`row` is its number in the file's own program: the headings are row 1."""

    row: int
    state: PreviewState = Field(
        description="What would become of it. `held`: its student's submission is being decided, and it would be tried "
        "again; `not-tried`: beyond the rows that a preview tries."
    )
    standing: Standing | None = Field(description="Of the row's number on the roster; null if it was not looked up.")
    fields: Mapping[str, str] = Field(description="The row as it was understood.")
    problems: tuple[RowProblem, ...] = ()
    before: Mapping[str, Any] | None = Field(None, description="What stands about the student before this row.")
    after: Mapping[str, Any] | None = Field(None, description="And after it; a rejected row leaves a question open.")


class Preview(_Part):
    """Counts are of `rows_tried` rows, `rejected` of all that cannot be read besides."""

    format: Literal["csv", "jsonl", "xlsx"]
    encoding: str
    warnings: tuple[str, ...]
    source: str | None = Field(description="The source by which the file was read; null for the import's own columns.")
    columns: tuple[PreviewColumn, ...] = Field(description="Empty for JSON Lines, whose members name their fields.")
    ignored: tuple[str, ...] = Field(description="Headings of the columns that the source ignores.")
    rows_total: int
    rows_tried: int = Field(
        description="All rows are read; the first 20 000 are tried, or fewer: as many as half a minute allows."
    )
    applied: int
    unchanged: int
    rejected: int
    outdated: int = Field(description="Rows older than what is on record, which would be left out.")
    held: int
    unknown_students: int = Field(description="Tried rows about numbers that are not on the roster.")
    rows: tuple[PreviewRow, ...] = Field(description="The first rows.")
    rejected_rows: tuple[PreviewRow, ...] = Field(description="The first rejected rows after them.")
