"""Sources of the sample import, and the files they read."""

from pathlib import Path

from services.kit.imports.files.formats import Format, open_file
from services.kit.imports.files.rows import ReadRow
from services.kit.imports.files.table import Table
from services.kit.imports.sources.columns import SourcedColumns
from services.kit.imports.sources.folder import load_sources
from services.kit.imports.sources.source import Source
from tests.support.samples.import_files import HEADINGS, Row

TITLE = 'title = { zh = "样例系统", en = "sample system" }\n'


def write_source(folder: Path, text: str, name: str = "sample") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.toml"
    path.write_text(TITLE + text, "utf-8")
    return path


def sources(folder: Path) -> dict[str, Source]:
    return load_sources([folder], Row, HEADINGS)


def open_by(
    found: dict[str, Source], data: str | bytes, kind: Format = Format.CSV, *, source: str | None = None
) -> Table:
    content = data.encode() if isinstance(data, str) else data
    return open_file(content, kind, SourcedColumns(Row, HEADINGS, found).of(source))


def only_row(found: dict[str, Source], data: str | bytes, kind: Format = Format.CSV) -> ReadRow:
    (row,) = open_by(found, data, kind).rows
    return row
