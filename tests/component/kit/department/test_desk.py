"""The desk's one way of changing a record, on a real database, for every department there is."""

import asyncio
from typing import Any

import pytest

from deploy.local.installation import new_student_id
from schemas.events import CaseState, StatusChanged
from services.kit.department.changes.requests import change_record
from services.kit.department.examples import load_examples
from services.kit.http.requests.idempotency import IdempotencyKey, KeyReused
from services.kit.manifests import SERVICES
from services.kit.operations import Held
from services.kit.rules.reasons import ROW_IMPORTED
from tests.support.departments.desks import DEPARTMENTS, desk_over, now, open_case, outbox_statuses


def first_row(desk: Any, student_id: str) -> Any:
    example = load_examples(SERVICES / desk.rules.name).rows[0]
    return desk.rules.import_row.model_validate({**example, "student_id": student_id})


def import_first_row(desk: Any, student_id: str) -> Any:
    row = first_row(desk, student_id)
    return lambda record: (desk.rules.apply_row(record, row), ROW_IMPORTED())


@pytest.mark.parametrize("department", DEPARTMENTS)
async def test_an_opened_case_gets_a_first_status_though_nothing_is_on_record(database: str, department: str) -> None:
    async with desk_over(database, department) as desk:
        student_id = new_student_id()
        await open_case(desk, student_id)
        (status,) = await outbox_statuses(desk)
        assert (status.student_id, status.department, status.version) == (student_id, department, 1)
        assert status.checks == desk.rules.assess(desk.rules.record()).checks
        await open_case(desk, student_id)
        assert len(await outbox_statuses(desk)) == 1


@pytest.mark.parametrize("department", DEPARTMENTS)
async def test_a_change_is_one_transaction_with_its_numbered_status(database: str, department: str) -> None:
    async with desk_over(database, department) as desk:
        student_id = new_student_id()
        await open_case(desk, student_id)
        changed = await change_record(desk, student_id, import_first_row(desk, student_id), now=now())
        statuses = await outbox_statuses(desk)
        assert changed.applied
        assert [status.version for status in statuses] == list(range(1, changed.status_version + 1))
        assert statuses[-1].checks == changed.assessment.checks
        again = await change_record(desk, student_id, import_first_row(desk, student_id), now=now())
        assert not again.applied
        assert await outbox_statuses(desk) == statuses


@pytest.mark.parametrize("department", DEPARTMENTS)
async def test_nothing_is_said_of_a_student_who_is_not_leaving(database: str, department: str) -> None:
    async with desk_over(database, department) as desk:
        student_id = new_student_id()
        await change_record(desk, student_id, import_first_row(desk, student_id), now=now())
        await open_case(desk, student_id, state=CaseState.NOT_SERVED)
        assert await outbox_statuses(desk) == []
        await open_case(desk, student_id, version=2)
        (status,) = await outbox_statuses(desk)
        row = await desk.pool.fetchrow("SELECT status FROM record WHERE student_id = $1", student_id)
        assert row is not None
        assert StatusChanged.model_validate_json(row["status"]) == status


async def test_an_operation_that_fails_leaves_neither_record_nor_status(database: str) -> None:
    async with desk_over(database, "library") as desk:
        student_id = new_student_id()
        await open_case(desk, student_id)

        def fail(record: Any) -> Any:
            raise RuntimeError

        with pytest.raises(RuntimeError):
            await change_record(desk, student_id, fail, now=now())
        assert len(await outbox_statuses(desk)) == 1
        assert (await desk.read(student_id)).record == desk.rules.record()


async def test_concurrent_changes_of_one_student_are_numbered_without_gap_or_repetition(database: str) -> None:
    async with desk_over(database, "finance") as desk:
        student_id = new_student_id()
        await open_case(desk, student_id)
        charge = next(each for each in desk.rules.operations if each.name == "charge")

        async def one(number: int) -> None:
            body = charge.body.model_validate(
                {"student_id": student_id, "charge_id": f"C{number}", "year": "2026", "name": "学费", "amount": "1.10"}
            )
            await change_record(desk, student_id, lambda record: charge.apply(record, body), now=now())

        await asyncio.gather(*(one(number) for number in range(24)))
        statuses = await outbox_statuses(desk)
        assert [status.version for status in statuses] == list(range(1, 26))
        assert statuses[-1].checks[0].facts["total"] == "26.40"


async def test_the_same_request_twice_is_answered_the_same_and_done_once(database: str) -> None:
    async with desk_over(database, "library") as desk:
        student_id = new_student_id()
        await open_case(desk, student_id)
        key = IdempotencyKey.of("desk", "key-0001", "import")
        answers = await asyncio.gather(
            *(change_record(desk, student_id, import_first_row(desk, student_id), now=now(), key=key) for _ in range(8))
        )
        assert sum(not answer.repeated for answer in answers) == 1
        assert len({answer.status_version for answer in answers}) == 1
        with pytest.raises(KeyReused):
            await change_record(
                desk,
                student_id,
                import_first_row(desk, student_id),
                now=now(),
                key=IdempotencyKey.of("desk", "key-0001", "x"),
            )


async def test_a_held_pass_cannot_be_taken_away_and_everything_else_goes_through(database: str) -> None:
    async with desk_over(database, "finance") as desk:
        student_id = new_student_id()
        await open_case(desk, student_id)
        await desk.pool.execute(
            "INSERT INTO hold (attempt_id, student_id, version, placed_at) VALUES (gen_random_uuid(), $1, 1, now())",
            student_id,
        )
        before = await desk.read(student_id)
        with pytest.raises(Held):
            await change_record(desk, student_id, import_first_row(desk, student_id), now=now())
        assert await desk.read(student_id) == before
        await desk.pool.execute("DELETE FROM hold")
        assert (await change_record(desk, student_id, import_first_row(desk, student_id), now=now())).applied
