"""A file that was opened: its headings are matched, its rows are still to be read. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from services.kit.imports.files.columns import Headings
from services.kit.imports.files.rows import ReadRow


@dataclass(frozen=True, slots=True)
class Table:
    """`rows` raises `Unimportable` for a fault of the whole file; `warnings` name what was left or might surprise.

    `members`: without headings, the fields that the rows read so far have named.
    """

    headings: Headings
    rows: Iterator[ReadRow]
    encoding: str = "utf-8"
    warnings: tuple[str, ...] = ()
    members: set[str] | None = None
