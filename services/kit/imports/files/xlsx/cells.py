"""The cells of a sheet's row as text: ids as the sheet shows them, or refused. Pure."""

import re
from collections.abc import Callable, Iterator
from datetime import date, datetime, time
from typing import Any, Final

from openpyxl.utils import get_column_letter
from openpyxl.utils.datetime import from_excel

from services.kit.imports.files.columns import IGNORED, Headings
from services.kit.imports.files.kinds import FieldKind
from services.kit.imports.files.problems import Text, problem
from services.kit.imports.files.rows import AS_TEXT, SCIENTIFIC, Cell
from services.kit.imports.files.xlsx.number_formats import shown

_MOST: Final = 10**15
"""A spreadsheet keeps fifteen digits."""
_EARLIEST: Final = datetime(1950, 1, 1)
_LATEST: Final = datetime(2150, 1, 1)

_SCIENTIFIC_FORMAT: Final = re.compile(r"[0#?]E[+-]", re.IGNORECASE)

_Read = str | tuple[Text, Text]
"""A cell's text, or its fault and the remedy."""


class CellReader:
    def __init__(self, headings: Headings, number_format: Callable[[int], str], epoch: datetime) -> None:
        self.headings = headings
        self._number_format = number_format
        self._epoch = epoch

    def cells(self, row: int, cells: list[dict[str, Any]]) -> Iterator[Cell]:
        for cell in cells:
            index, value = cell["column"] - 1, cell["value"]
            field = self.headings.field(index)
            if field == IGNORED or value is None:
                continue
            name = f"{get_column_letter(index + 1)}{row}"
            at = Text(f"单元格 {name}", f"cell {name}")
            read = self._read(self.headings.kind(field), cell["data_type"], value, cell["style_id"])
            if isinstance(read, str):
                yield Cell(field, at, read)
            else:
                fault, remedy = read
                wrong = problem(field or "", self.headings.place(field, at).describe(fault), remedy)
                yield Cell(field, at, "", wrong)

    def _read(self, kind: FieldKind, data_type: str, value: Any, style: int) -> _Read:
        if data_type == "f":
            return _FORMULA
        if data_type == "e":
            return _ERROR
        if isinstance(value, str):
            return value
        if kind.identifies:
            return self._id(value, style)
        if not isinstance(value, int | float | datetime | date):
            return _DURATION
        if kind is FieldKind.INSTANT:
            return self._instant(value)
        if kind is FieldKind.DAY and not isinstance(value, bool | date):
            return self._day(value)
        return cell_text(value)

    def _instant(self, value: Any) -> str:
        """With its time, also at midnight."""
        if not isinstance(value, bool | date):
            try:
                value = from_excel(value, self._epoch)
            except (OverflowError, ValueError):
                return cell_text(value)
        return value.isoformat(timespec="seconds") if isinstance(value, datetime) else cell_text(value)

    def _id(self, value: Any, style: int) -> _Read:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return _NOT_AN_ID
        if abs(value) >= _MOST:
            return _TOO_MANY_DIGITS
        number_format = self._number_format(style)
        if _SCIENTIFIC_FORMAT.search(number_format):
            return SCIENTIFIC, AS_TEXT
        text = shown(int(value), number_format) if value == int(value) else None
        return _NOT_AN_ID if text is None else text

    def _day(self, value: int | float) -> str:
        """A date's serial number in a cell without a date format."""
        try:
            day = from_excel(value, self._epoch)
        except (OverflowError, ValueError):
            day = None
        return cell_text(day if isinstance(day, datetime) and _EARLIEST <= day < _LATEST else value)


_FORMULA: Final = (
    Text("是公式。", "is a formula."),
    Text(
        "请复制后选择性粘贴为数值，再发送。", "Copy the cells and paste them as values, then send the workbook again."
    ),
)
_ERROR: Final = (Text("是表格错误值。", "holds a spreadsheet error."), Text("请更正该单元格。", "Correct the cell."))
_DURATION: Final = (
    Text("是时间或时长。", "is a time or duration."),
    Text("请把该单元格设置为文本格式。", "Format the cell as text."),
)
_NOT_AN_ID: Final = (
    Text(
        "应是编号，却被表格存成了日期、小数或另一种格式的数字。",
        "should be an id, and the sheet keeps it as a date, a fraction or a number of another format.",
    ),
    AS_TEXT,
)
_TOO_MANY_DIGITS: Final = (
    Text(
        "是超过 15 位的数字，表格已丢失末尾数字。", "is a number of more than 15 digits: the sheet lost the last ones."
    ),
    AS_TEXT,
)


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
