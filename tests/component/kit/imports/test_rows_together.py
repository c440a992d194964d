"""Rows of one transaction are written together, and each still has the effect that it has alone."""

from collections.abc import Sequence
from typing import Final

from schemas.topics import Topics
from services.kit.department.desk import Desk
from services.kit.imports.spec import Batch
from services.kit.manifests import discover
from services.kit.messaging.outbox import Wakeup
from services.kit.postgres.pool import Connection
from services.library.operations import RULES
from services.library.rules import LibraryRecord
from tests.support.departments.desks import open_case, outbox_statuses
from tests.support.imports.department import Service, counts, student

_HEAD: Final = "student_id,card,thesis"


def desk_of(library: Service) -> Desk[LibraryRecord]:
    return Desk(RULES, library.pool, Topics("test"), Wakeup(), discover()["library"])


async def count(library: Service, rows: Sequence[str]) -> tuple[int, int, int]:
    return counts(await library.imported("\n".join((_HEAD, *rows))))


async def test_rows_of_new_students_with_two_rows_each_leave_what_the_last_one_said(library: Service) -> None:
    students = [student() for _ in range(30)]
    rows = [f"{one},active,submitted" for one in students] + [f"{one},cancelled,approved" for one in students]
    assert await count(library, rows) == (60, 0, 0)
    stored = await library.pool.fetch("SELECT student_id, body->>'card' AS card, edited FROM record")
    assert {(row["student_id"], row["card"], row["edited"]) for row in stored} == {
        (one, "cancelled", False) for one in students
    }


async def test_each_row_of_a_student_publishes_its_status_in_order(library: Service) -> None:
    one = student()
    await open_case(desk_of(library), one)
    rows = [f"{one},{card},approved" for card in ("active", "cancelled", "active")]
    assert await count(library, rows) == (3, 0, 0)
    statuses = await outbox_statuses(desk_of(library))
    assert [status.version for status in statuses] == [1, 2, 3, 4]
    assert [bool(status.checks[0].reasons) for status in statuses[1:]] == [True, False, True]


async def test_a_student_who_got_a_record_meanwhile_keeps_it_and_the_row(library: Service) -> None:
    one, other, tries = student(), student(), 0
    original = library.spec.begin_batch
    assert original is not None

    async def overtaken(connection: Connection, student_ids: Sequence[str], together: bool) -> Batch:
        nonlocal tries
        tries += 1
        batch = await original(connection, student_ids, together)
        if tries == 1:
            await open_case(desk_of(library), one)
        return batch

    object.__setattr__(library.spec, "begin_batch", overtaken)
    assert await count(library, [f"{other},active,approved", f"{one},active,approved"]) == (2, 0, 0)
    assert tries >= 2
    row = await library.pool.fetchrow("SELECT case_state, body->>'card' AS card FROM record WHERE student_id = $1", one)
    assert row is not None
    assert (row["case_state"], row["card"]) == ("open", "active")


async def test_a_refused_row_between_good_ones_needs_no_second_try(library: Service) -> None:
    """Also for rows of the same student before and behind it."""
    tries: list[bool] = []
    original = library.spec.begin_batch
    assert original is not None

    async def counted(connection: Connection, student_ids: Sequence[str], together: bool) -> Batch:
        tries.append(together)
        return await original(connection, student_ids, together)

    object.__setattr__(library.spec, "begin_batch", counted)
    one, other = student(), student()
    rows = (f"{one},cancelled,submitted", f"{one},lost,approved", f"{other},active,approved", f"{one},active,approved")
    assert await count(library, rows) == (3, 0, 1)
    assert tries == [True]
    found = await library.pool.fetch("SELECT student_id, body, open_questions, edited FROM record")
    assert {row["student_id"]: (row["open_questions"], row["edited"]) for row in found} == {
        one: (1, False),
        other: (0, False),
    }
    cards = "SELECT body->>'card' FROM record WHERE student_id = $1"
    assert await library.pool.fetchval(cards, one) == "active"


async def test_a_value_that_only_the_database_refuses_takes_no_other_row_with_it(library: Service) -> None:
    good, bad = student(), student()
    await library.pool.execute(
        f"ALTER TABLE record ADD CONSTRAINT not_both CHECK (student_id <> '{bad}' OR body->>'thesis' <> 'approved')"
    )
    assert await count(library, [f"{good},active,approved", f"{bad},active,approved"]) == (1, 0, 1)
