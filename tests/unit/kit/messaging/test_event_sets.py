"""Events of a batch in sets: what is handled together, in which order, and what becomes of a refused one."""

from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.codec import Unreadable
from schemas.events import CaseChanged, CaseState, CommandAsked, Message, Tombstone
from services.kit.messaging import handlers
from services.kit.messaging.event_sets import Received, in_sets
from services.kit.messaging.faststream_shell import TransactionalRouter
from services.kit.messaging.handlers import Transaction, carries
from services.kit.observability.telemetry import current_traceparent
from tests.support.departments.desks import now
from tests.unit.kit.messaging.test_handlers import record

FIRST, SECOND = "TS0000000001", "TS0000000002"
SENDER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
CONNECTION: Any = "the open transaction"


def case(student_id: str = FIRST, version: int = 1) -> CaseChanged:
    return CaseChanged(student_id=student_id, version=version, state=CaseState.OPEN, occurred_at=now())


def command(student_id: str = FIRST) -> CommandAsked:
    return CommandAsked(
        command_id=uuid4(), student_id=student_id, department="library", command="cancel-card", asked_at=now()
    )


def handling(sets: list[list[tuple[str, int]]], refused: Sequence[int] = ()) -> TransactionalRouter:
    """Cases together, refused by their versions; commands alone."""
    router = TransactionalRouter(group="g")
    events = router.subscriber("t")

    @events.together(CaseChanged)
    async def cases_changed(_: Any, cases: Sequence[Received[CaseChanged]]) -> None:
        if any(one.event.version in refused for one in cases):
            raise Unreadable("version: it is not ours")
        sets.append([(one.event.student_id, one.event.version) for one in cases])

    @events(filter=carries(CommandAsked))
    async def command_asked(event: CommandAsked, connection: Transaction) -> None:
        sets.append([(event.student_id, 0)])

    return router


async def apply(router: TransactionalRouter, *events: Message) -> list[tuple[int, str, bool]]:
    records = [record(event, key=event.student_id) for event in events]  # type: ignore[attr-defined]
    dead_letters = await router.subscription.apply(CONNECTION, records)
    return [(records.index(one.record), one.reason, one.decoded) for one in dead_letters]


async def test_events_of_several_students_are_handled_together() -> None:
    sets: list[list[tuple[str, int]]] = []
    assert await apply(handling(sets), case(FIRST), case(SECOND)) == []
    assert sets == [[(FIRST, 1), (SECOND, 1)]]


async def test_one_students_events_are_handled_in_their_order_whatever_handles_them() -> None:
    sets: list[list[tuple[str, int]]] = []
    await apply(handling(sets), case(FIRST, 1), command(FIRST), case(FIRST, 2), case(SECOND, 7), case(FIRST, 3))
    assert sets == [[(FIRST, 1), (SECOND, 7)], [(FIRST, 0)], [(FIRST, 2)], [(FIRST, 3)]]


async def test_a_handler_of_several_gets_all_of_one_student_until_another_event_stands_between() -> None:
    sets: list[list[tuple[str, int]]] = []
    router = handling(sets)
    router.subscription.together(CaseChanged, several=True)(_append_to(sets))
    await apply(router, case(FIRST, 1), case(SECOND, 7), case(FIRST, 2), command(FIRST), case(FIRST, 3))
    assert sets == [[(FIRST, 1), (SECOND, 7), (FIRST, 2)], [(FIRST, 0)], [(FIRST, 3)]]


async def test_a_refused_event_of_a_set_is_a_dead_letter_by_itself() -> None:
    sets: list[list[tuple[str, int]]] = []
    events = case(FIRST, 1), case(SECOND, 9), case("TS0000000003", 1)
    assert await apply(handling(sets, refused=[9]), *events) == [(1, "version: it is not ours", True)]
    assert sets == [[(FIRST, 1)], [("TS0000000003", 1)]]


async def test_another_error_of_a_set_fails_the_batch() -> None:
    router = TransactionalRouter(group="g")

    @router.subscriber("t").together(CaseChanged)
    async def cases_changed(_: Any, cases: Sequence[Received[CaseChanged]]) -> None:
        raise ConnectionError("not now")

    with pytest.raises(ConnectionError, match="not now"):
        await apply(router, case(), case(SECOND))


async def test_an_event_without_a_handler_is_passed_over_and_one_of_another_key_is_unreadable() -> None:
    sets: list[list[tuple[str, int]]] = []
    router = TransactionalRouter(group="g")
    router.subscriber("t").together(CaseChanged)(_append_to(sets))
    found = await router.subscription.apply(CONNECTION, [record(command()), record(case(), key=SECOND), record(case())])
    assert [(one.reason, one.decoded) for one in found] == [("the record's key is not its student_id", False)]
    assert sets == [[(FIRST, 1)]]


async def test_what_is_written_for_an_event_of_a_set_is_in_its_own_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    for exporting in (True, False):
        monkeypatch.setattr(handlers, "exports_spans", lambda said=exporting: said)
        traces: list[str | None] = []
        router = TransactionalRouter(group="g")
        router.subscriber("t").together(CaseChanged)(_trace_to(traces))
        sent = record(case())
        sent.headers = (*sent.headers, ("traceparent", SENDER.encode()))
        await router.subscription.apply(CONNECTION, [sent, record(case(SECOND), key=SECOND)])
        assert traces[0] is not None
        assert traces[0].split("-")[1] == SENDER.split("-")[1]
        assert traces[0] != traces[1]


def _append_to(sets: list[list[tuple[str, int]]]) -> Any:
    async def handle(_: Any, cases: Sequence[Received[CaseChanged]]) -> None:
        sets.append([(one.event.student_id, one.event.version) for one in cases])

    return handle


def _trace_to(traces: list[str | None]) -> Any:
    async def handle(_: Any, cases: Sequence[Received[CaseChanged]]) -> None:
        for one in cases:
            with one.traced():
                traces.append(current_traceparent())

    return handle


@given(
    st.lists(st.tuples(st.sampled_from([FIRST, SECOND, "TS0000000003"]), st.booleans())),
    st.sampled_from([(), (CaseChanged,), (Tombstone,), (CaseChanged, Tombstone)]),
)
def test_sets_lose_nothing_and_keep_each_students_order(
    given: list[tuple[str, bool]], several: tuple[type[Message], ...]
) -> None:
    received: list[Received[Any]] = [
        Received(case(student_id, number + 1) if is_case else Tombstone(student_id=student_id, topic=str(number)))
        for number, (student_id, is_case) in enumerate(given)
    ]
    sets = in_sets(received, several=several)
    for each in sets:
        (kind,) = {type(one.event) for one in each}
        assert kind in several or len({one.event.student_id for one in each}) == len(each)
    for student_id in {student_id for student_id, _ in given}:
        before = [one for one in received if one.event.student_id == student_id]
        assert [one for each in sets for one in each if one.event.student_id == student_id] == before
    assert sum(map(len, sets)) == len(received)
