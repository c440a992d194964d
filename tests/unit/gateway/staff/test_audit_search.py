"""Pages of several audits as one list, and which key whom lacks."""

from datetime import UTC, datetime, timedelta

from services.gateway.staff.operating.audit_search import cursors_of, merged, written
from services.gateway.staff.operating.keys import record_keys
from services.kit.http.operators.audit_routes import AuditPage, SealedEntry
from services.kit.signing.inventory import BelievedKey, SigningInventory

START = datetime(2026, 6, 10, 8, tzinfo=UTC)


def page(*minutes: int, following: int | None = None) -> AuditPage:
    """An entry each minute named, newest first; its id is the minute."""
    entries = tuple(
        SealedEntry(
            entry_id=minute,
            at=START + timedelta(minutes=minute),
            actor="clerk",
            act="desk.return",
            outcome="changed",
            student_id=None,
            details={},
            seal=None,
            intact=None,
        )
        for minute in minutes
    )
    return AuditPage(entries=entries, next_before=following)


def test_the_newest_of_all_come_first_and_each_service_goes_on_where_it_was_cut() -> None:
    pages = {"library": page(9, 7, 3, following=3), "dorm": page(8, 6), "finance": page(2)}
    first = merged(pages, (), {}, 3)
    assert [(one.service, one.entry.entry_id) for one in first.found] == [("library", 9), ("dorm", 8), ("library", 7)]
    assert first.following == {"library": 7, "dorm": 8, "finance": 3}


def test_of_two_entries_written_at_once_neither_is_passed_over() -> None:
    """The database's number and its clock are not read together: entry 9 is older than entry 8."""
    (eight,), (nine,) = page(8).entries, page(9).entries
    library = AuditPage(entries=(nine.model_copy(update={"at": START + timedelta(minutes=5)}), eight), next_before=None)
    first = merged({"library": library, "dorm": page(6)}, (), {}, 2)
    shown = {(one.service, one.entry.entry_id) for one in first.found}
    before = first.following.get("library", 0)
    assert {("library", 9), ("library", 8)} - shown <= {("library", number) for number in range(before)}


def test_a_service_whose_entries_are_all_shown_is_not_asked_again() -> None:
    whole = merged({"library": page(9), "dorm": page(8, following=8), "archives": page()}, ("finance",), {}, 50)
    assert (whole.following, whole.away) == ({"dorm": 8}, ("finance",))


def test_a_cursor_is_read_as_it_was_written_and_nothing_else_is_one() -> None:
    cursors = {"library": 17, "dorm": 1}
    assert cursors_of(written(cursors)) == cursors
    assert cursors_of("library:0 dorm:x <b>:1") == {}


def inventory(own: str, *believed: tuple[str, str], verifies: bool = True) -> SigningInventory:
    keys = tuple(BelievedKey(service=service, kid=kid, since=START) for service, kid in believed)
    return SigningInventory(signs_with=own, signs_since=START, verifies=verifies, believed=keys, certificate=None)


def test_a_key_that_signs_and_that_a_service_does_not_believe_is_named() -> None:
    keys = record_keys(
        {
            "library": inventory("l2", ("library", "l1"), ("library", "l2"), ("dorm", "d1")),
            "dorm": inventory("d1", ("library", "l1"), ("dorm", "d1")),
            "archives": inventory("a1", verifies=False),
        }
    )
    assert [(one.service, one.kid, one.signs, one.believed_by, one.missed_by) for one in keys] == [
        ("archives", "a1", True, (), ("library", "dorm")),
        ("dorm", "d1", True, ("library", "dorm"), ()),
        ("library", "l2", True, ("library",), ("dorm",)),
        ("library", "l1", False, ("library", "dorm"), ()),
    ]
