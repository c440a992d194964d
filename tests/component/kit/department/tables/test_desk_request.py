"""A request at a desk: few statements, and each lock is waited for before anything behind it is read."""

import asyncio
from collections import Counter
from typing import Any, Final

import pytest

from deploy.local.installation import new_student_id
from schemas.events import NO_DATA
from services.kit.department.changes.requests import AuditContext, change_record, remembered
from services.kit.department.desk import ChangeResult, Desk
from services.kit.department.evidence import coverage
from services.kit.http.requests.idempotency import IdempotencyKey
from services.kit.names import AdvisoryLock
from services.kit.operations import Held, Refused
from services.kit.rules.department_rules import Operation
from tests.support.departments.desks import desk_over, is_waiting, now, open_case, outbox_statuses
from tests.support.waiting import eventually

BODIES: Final[dict[str, dict[str, str]]] = {
    "violation": {"violation_id": "V-1", "text": "在书上涂写"},
    "loan": {"barcode": "B-1", "title": "小王子", "due_on": "2026-06-01"},
}


def named(desk: Desk[Any], name: str) -> Operation[Any, Any]:
    return next(each for each in desk.rules.operations if each.name == name)


async def operate(desk: Desk[Any], student_id: str, name: str = "violation", key: str = "") -> ChangeResult[Any]:
    """As the desk's route does."""
    operation = named(desk, name)
    body = operation.body.model_validate({"student_id": student_id, **BODIES[name]})
    return await change_record(
        desk,
        student_id,
        lambda record: operation.apply(record, body),
        now=now(),
        key=IdempotencyKey.of("desk", key or f"key-{name}", name),
        audit=AuditContext("desk", f"desk.{name}"),
        evidence=desk.rules.evidence_of_operation(operation, body),
        claim=desk.rules.claim_of(operation, body),
        remember=remembered(desk.rules, operation, body),
    )


async def test_an_operation_takes_three_statements_and_writes_all_that_it_leaves_in_one(
    database: str, statements: Counter[str]
) -> None:
    async with desk_over(database, "library") as desk:
        student_id = new_student_id()
        await open_case(desk, student_id)
        statements.clear()
        done = await operate(desk, student_id)
        assert done.applied
        assert statements.total() == 3, list(statements)
        kept = await desk.pool.fetchrow(
            """
            SELECT entry.outcome, entry.details::json ->> 'version' AS version, done.operation, done.student_id,
                   request.answer ->> 'status_version' AS answered,
                   EXISTS (SELECT FROM audit.unsealed WHERE entry_id = entry.entry_id) AS unsealed
            FROM audit.entry AS entry JOIN done_operation AS done USING (entry_id), desk_request AS request
            WHERE entry.act = 'desk.violation'
            """
        )
        assert kept is not None
        assert tuple(kept) == ("changed", "2", "violation", student_id, "2", True)
        assert [status.version for status in await outbox_statuses(desk)] == [1, 2]
        repeated = await operate(desk, student_id)
        assert repeated.repeated
        assert (repeated.record, repeated.status_version) == (done.record, 2)
        assert len(await outbox_statuses(desk)) == 2


async def test_what_changes_nothing_is_answered_and_audited_alone(database: str) -> None:
    async with desk_over(database, "library") as desk:
        student_id = new_student_id()
        await open_case(desk, student_id)
        await operate(desk, student_id)
        assert not (await operate(desk, student_id, key="another-key")).applied
        outcomes = await desk.pool.fetch(
            "SELECT outcome FROM audit.entry WHERE act = 'desk.violation' ORDER BY entry_id"
        )
        assert [row["outcome"] for row in outcomes] == ["changed", "unchanged"]
        assert await desk.pool.fetchval("SELECT count(*) FROM done_operation") == 1
        assert await desk.pool.fetchval("SELECT count(*) FROM desk_request") == 2
        assert len(await outbox_statuses(desk)) == 2


async def test_a_hold_placed_while_a_request_waits_for_the_record_is_met(database: str) -> None:
    async with desk_over(database, "library") as desk:
        student_id = new_student_id()
        await open_case(desk, student_id)
        async with desk.pool.acquire() as attesting, attesting.transaction():
            await desk.lock(attesting, student_id)
            operating = asyncio.create_task(operate(desk, student_id))
            await eventually(lambda: is_waiting(desk.pool), what="a request that waits for the record")
            await attesting.execute(
                "INSERT INTO hold (attempt_id, student_id, version, placed_at)"
                " VALUES (gen_random_uuid(), $1, 1, now())",
                student_id,
            )
        with pytest.raises(Held):
            await operating
        assert await desk.pool.fetchval("SELECT blocked FROM waiting_change WHERE student_id = $1", student_id)
        assert len(await outbox_statuses(desk)) == 1


async def test_a_list_withdrawn_while_a_request_waits_for_the_coverage_covers_nobody(database: str) -> None:
    async with desk_over(database, "library") as desk:
        student_id = new_student_id()
        await open_case(desk, student_id)
        async with desk.pool.acquire() as withdrawing, withdrawing.transaction():
            await coverage.begin_change(withdrawing)
            operating = asyncio.create_task(operate(desk, student_id))
            await eventually(lambda: is_waiting(desk.pool), what="a request that waits for the coverage")
            await withdrawing.execute(
                "UPDATE covering_load SET withdrawn_by = 'desk', withdrawn_at = now(), withdrawn_reason = 'x'"
            )
        thesis = next(check for check in (await operating).assessment.checks if check.check == "thesis")
        assert [reason.code for reason in thesis.reasons] == [NO_DATA]


async def test_an_act_about_every_check_waits_for_no_change_of_the_coverage(database: str) -> None:
    async with desk_over(database, "library") as desk:
        student_id = new_student_id()
        await open_case(desk, student_id)
        card = named(desk, "issue-card")
        body = card.body.model_validate({"student_id": student_id})
        async with desk.pool.acquire() as changing, changing.transaction():
            await coverage.begin_change(changing)
            done = await change_record(desk, student_id, lambda record: card.apply(record, body), now=now())
        assert done.gained == desk.rules.checks


async def test_a_copy_lent_while_a_request_waits_for_it_is_not_lent_again_also_to_a_student_without_a_record(
    database: str,
) -> None:
    async with desk_over(database, "library") as desk:
        first, second = new_student_id(), new_student_id()
        await open_case(desk, first)
        done = await asyncio.gather(
            operate(desk, first, "loan", "key-first"),
            operate(desk, second, "loan", "key-second"),
            return_exceptions=True,
        )
        assert sum(isinstance(one, Refused) for one in done) == 1
        assert sum(isinstance(one, ChangeResult) and one.applied for one in done) == 1


async def test_the_record_is_locked_before_the_coverage(database: str) -> None:
    """Who changes the coverage may then wait for records that it marks."""
    async with desk_over(database, "library") as desk:
        student_id = new_student_id()
        await open_case(desk, student_id)
        async with desk.pool.acquire() as locking, locking.transaction():
            await desk.lock(locking, student_id)
            operating = asyncio.create_task(operate(desk, student_id))
            await eventually(lambda: is_waiting(desk.pool), what="a request that waits for the record")
            free = await locking.fetchval("SELECT pg_try_advisory_xact_lock($1)", int(AdvisoryLock.COVERAGE))
        assert free, "it holds no lock that a record's owner may ask for"
        assert (await operating).applied
