"""Contacts from a CSV file, read by an operator's command."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from services.notices.contacts.body import ContactBody

_HEADINGS: Final = {
    "学号": "student_id",
    "邮箱": "mail",
    "企业微信账号": "wecom",
    "钉钉账号": "dingtalk",
    "语言": "language",
}
_FIELDS: Final = tuple(_HEADINGS.values())


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """`fields`: at fault. No value."""

    line: int
    fields: tuple[str, ...]


class NoContacts(ValueError):
    """The file has no column of student numbers, or is no CSV in UTF-8."""


def rows_of(path: Path) -> Iterator[ContactBody | RefusedRow]:
    """Headings in Chinese or as the fields are named; other columns are left out. Raises `NoContacts`."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            names = {heading: _HEADINGS.get(heading.strip(), heading.strip()) for heading in reader.fieldnames or ()}
            if "student_id" not in names.values():
                raise NoContacts("there is no column 学号 or student_id")
            for row in reader:
                yield _row(reader.line_num, {names[key]: value for key, value in row.items() if key in names})
    except (UnicodeError, csv.Error):
        raise NoContacts("it is no CSV file in UTF-8") from None


def _row(line: int, cells: dict[str, str | None]) -> ContactBody | RefusedRow:
    given = {name: cells[name] for name in _FIELDS if cells.get(name)}
    try:
        return ContactBody.model_validate(given)
    except ValidationError as error:
        return RefusedRow(line, tuple(sorted({str(each["loc"][0]) for each in error.errors() if each["loc"]})))
