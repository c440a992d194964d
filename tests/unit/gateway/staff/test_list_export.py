"""A list as a file."""

import io

import pytest
from openpyxl import load_workbook

from services.gateway.staff.lists.list_export import xlsx_file


@pytest.mark.parametrize("title", ["公寓/物业", "Library: loans", "[*?]", "a\\b" * 20])
def test_a_list_is_a_file_whatever_its_department_is_called(title: str) -> None:
    sheet = load_workbook(io.BytesIO(xlsx_file(title, ["学号"], [["=1+1"]]))).active
    assert sheet is not None
    assert [[cell.value for cell in row] for row in sheet.rows] == [["学号"], ["=1+1"]]
    assert sheet["A2"].data_type == "s"
