"""Contacts from a file, and what an address may be."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from services.notices.contacts.body import ContactBody
from services.notices.contacts.file import NoContacts, RefusedRow, rows_of


def test_a_file_has_headings_in_chinese_or_by_name_and_other_columns_are_left_out(tmp_path: Path) -> None:
    file = tmp_path / "contacts.csv"
    file.write_bytes("\ufeff学号,姓名,邮箱,企业微信账号\r\nts20260001,林知远,a@example.edu,lin.zy\r\n".encode())
    assert list(rows_of(file)) == [ContactBody(student_id="TS20260001", mail="a@example.edu", wecom="lin.zy")]
    file.write_text("student_id,mail,language\nTS20260001,,en\n")
    assert list(rows_of(file)) == [ContactBody(student_id="TS20260001", language="en")]


def test_a_row_at_fault_is_named_by_its_line_and_fields_and_the_others_count(tmp_path: Path) -> None:
    file = tmp_path / "contacts.csv"
    file.write_text("学号,邮箱\nTS20260001,nonsense\n!,a@example.edu\nTS20260003,c@example.edu\n")
    first, second, third = rows_of(file)
    assert first == RefusedRow(2, ("mail",))
    assert second == RefusedRow(3, ("student_id",))
    assert third == ContactBody(student_id="TS20260003", mail="c@example.edu")


@pytest.mark.parametrize("content", [b"", "姓名,邮箱\n林知远,a@example.edu\n".encode(), "学号\n".encode("gb18030")])
def test_a_file_without_student_numbers_in_utf_8_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "contacts.csv"
    file.write_bytes(content)
    with pytest.raises(NoContacts):
        list(rows_of(file))


@pytest.mark.parametrize(
    "address",
    [
        "a@b",
        "a b@example.edu",
        "a@example.edu\nBcc: b@example.edu",
        "<a@example.edu>",
        "a@@example.edu",
        "甲@example.edu",
        "=?utf-8?q?a?=@example.edu",
    ],
)
def test_what_is_no_address_of_mail_is_refused(address: str) -> None:
    with pytest.raises(ValidationError):
        ContactBody(student_id="TS20260001", mail=address)


def test_no_address_is_in_a_representation_of_a_contact() -> None:
    assert "example.edu" not in repr(ContactBody(student_id="TS20260001", mail="a@example.edu").contact())
