"""What a second launch loads."""

from pathlib import Path

from deploy.demo.load import Ledger
from deploy.demo.students import invent_students


def test_what_was_loaded_is_remembered_until_its_database_is_new(tmp_path: Path) -> None:
    students = invent_students(20)
    ledger = Ledger(tmp_path / "loaded.json")
    ledger.note("library", 12)
    ledger.note("library", 8)
    again = Ledger(tmp_path / "loaded.json")
    assert list(again.missing("library", students)) == list(students[12:])
    again.forget(["library"])
    assert list(Ledger(tmp_path / "loaded.json").missing("library", students)) == list(students)
