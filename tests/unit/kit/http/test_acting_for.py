"""The person a service acts for, in a header: whatever a provider calls somebody, the other side knows who it is."""

import pytest

from services.kit.http.access.acting_for import ACTING_FOR, acting_for, actor


@pytest.mark.parametrize(
    ("person", "named"),
    [
        ("方石 (staff-1)", "方石 (staff-1)"),
        ("张\u3000三 (staff-1)", "张 三 (staff-1)"),
        ("José\u00a0Díaz", "José Díaz"),
        ("a\u200bb\u202e", "ab"),
        ("a\ud800b", "ab"),
        ("方\r\n石", "方 石"),
        ("方" * 400, "方" * 300),
    ],
)
def test_a_name_is_sent_on_one_line_without_what_cannot_be_seen(person: str, named: str) -> None:
    assert actor("staff-pages", acting_for(person)[ACTING_FOR]) == f"staff-pages: {named}"
