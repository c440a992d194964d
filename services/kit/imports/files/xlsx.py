"""The first sheet of an XLSX workbook to numbered rows; openpyxl parses it, with defusedxml below."""

from collections.abc import Iterator
from datetime import date, datetime, time
from typing import Any

from openpyxl.utils import get_column_letter

from services.kit.imports.files.columns import (
    IGNORED,
    Cell,
    Columns,
    ReadRow,
    RowProblem,
    Unimportable,
    cells_of,
    row_of,
)
from services.kit.imports.files.openpyxl_rows import parsed_rows
from services.kit.imports.files.xlsx_zip import check_zip, unsound


def sheet_rows(data: bytes, columns: Columns) -> Iterator[ReadRow]:
    """The rows of the first sheet below its headings. Raises `Unimportable` for an unsound workbook."""
    check_zip(data)
    try:
        fields: list[str | None] | None = None
        for number, cells in parsed_rows(data):
            if fields is not None:
                row = row_of(number, _cells(number, cells, fields))
                if row is not None:
                    yield row
            elif cells:
                fields = columns.match(_headings(cells))
    except Unimportable:
        raise
    except Exception:
        # Whatever the parsers raise on hostile bytes: KeyError, ParseError, EntitiesForbidden, OverflowError …
        raise unsound() from None


def _headings(cells: list[dict[str, Any]]) -> list[str]:
    """Texts by column, blank where there is none. A far-out column counts as too many, without a list up to it."""
    width = min(max(cell["column"] for cell in cells), 1000)
    headings = [""] * width
    for cell in cells:
        if cell["column"] <= width and cell["value"] is not None:
            headings[cell["column"] - 1] = str(cell["value"])
    while headings and not headings[-1].strip():
        headings.pop()
    return headings


def _cells(number: int, cells: list[dict[str, Any]], fields: list[str | None]) -> Iterator[Cell]:
    for cell in cells:
        index, value = cell["column"] - 1, cell["value"]
        place = f"cell {get_column_letter(index + 1)}{number}"
        field = fields[index] if index < len(fields) else None
        if field == IGNORED:
            continue
        wrong = _wrong(field or "", place, cell["data_type"], value)
        if wrong is not None:
            yield Cell(field, place, "", wrong)
        else:
            yield from cells_of([(index, place, cell_text(value))], fields)


def _wrong(field: str, place: str, data_type: str, value: object) -> RowProblem | None:
    if data_type == "f":
        remedy = "Copy the cells and paste them as values, then send the workbook again."
        return {"field": field, "problem": f"{place} is a formula", "remedy": remedy}
    if data_type == "e":
        return {"field": field, "problem": f"{place} holds a spreadsheet error", "remedy": "Correct the cell."}
    if not isinstance(value, str | int | float | datetime | date | None):
        return {"field": field, "problem": f"{place} is a time or duration", "remedy": "Format the cell as text."}
    return None


def cell_text(value: str | int | float | datetime | date | None) -> str:
    """A cell's value as a person would type it; numbers with the 15 digits a spreadsheet keeps."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(float(f"{value:.15g}"))
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat(timespec="seconds")
    return value if isinstance(value, str) else str(value)
