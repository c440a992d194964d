"""openpyxl's private names that the import uses: there in the pinned version, and looked at again at any other."""

import inspect
import io
import tomllib
from importlib.metadata import version

import openpyxl
from openpyxl.styles.cell_style import StyleArray
from openpyxl.worksheet import _reader

from services.kit.imports.files.xlsx.openpyxl_rows import OPENPYXL_VERSION
from tests.support.paths import ROOT


def test_the_version_of_the_private_names_is_the_one_installed_and_pinned() -> None:
    assert version("openpyxl") == OPENPYXL_VERSION
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert f"openpyxl=={OPENPYXL_VERSION}" in project["dependencies"]


def test_the_private_names_are_there() -> None:
    assert {"ROW_TAG", "DATA_TAG", "COL_TAG", "WorkSheetParser"} <= vars(_reader).keys()
    parameters = inspect.signature(_reader.WorkSheetParser).parameters
    assert {"data_only", "epoch", "date_formats", "timedelta_formats"} <= parameters.keys()
    assert callable(_reader.WorkSheetParser.parse_row)
    workbook = io.BytesIO()
    openpyxl.Workbook().save(workbook)
    book = openpyxl.load_workbook(workbook, read_only=True)
    assert hasattr(book, "_date_formats")
    assert hasattr(book, "_number_formats")
    assert hasattr(book, "_cell_styles")
    assert "numFmtId" in dir(StyleArray)
    assert hasattr(book, "_timedelta_formats")
    assert hasattr(book.worksheets[0], "_get_source")
    assert hasattr(book.worksheets[0], "_shared_strings")
