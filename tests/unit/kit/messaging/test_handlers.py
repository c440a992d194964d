"""A record on its way to a typed handler: decoded, selected by its event, and dead-lettered when it is unreadable."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any
from uuid import uuid4

import pytest
from aiokafka import ConsumerRecord

from schemas.codec import Unreadable, encode
from schemas.events import (
    AttestationGiven,
    AttestationOutcome,
    AuditSealed,
    CaseChanged,
    CaseState,
    CheckStatus,
    CommandAsked,
    Message,
    Tombstone,
    Verdict,
)
from services.kit.messaging.faststream_shell import TransactionalRouter
from services.kit.messaging.handlers import Transaction, carries, event_decoder
from services.kit.messaging.log_positions.offsets import Records
from services.kit.signing.session_proofs import SessionKey
from tests.support.departments.desks import now
from tests.support.in_process.services import record_of

STUDENT = "TS0000000001"
NOWHERE: Any = "the open transaction"


def case(version: int = 1, student_id: str = STUDENT) -> CaseChanged:
    return CaseChanged(student_id=student_id, version=version, state=CaseState.OPEN, occurred_at=now())


def command() -> CommandAsked:
    return CommandAsked(
        command_id=uuid4(), student_id=STUDENT, department="library", command="cancel-card", asked_at=now()
    )


def record(event: Message, *, topic: str = "t", key: str = STUDENT) -> ConsumerRecord:
    return record_of(topic, key.encode(), encode(event, event_id=uuid4(), source="/test", time=now()))


def router_of(handle: Callable[[CaseChanged, Any], None], **options: Any) -> TransactionalRouter:
    router = TransactionalRouter(group="g")
    events = router.subscriber("t", **options)

    @events(filter=carries(CaseChanged))
    async def case_changed(event: CaseChanged, connection: Transaction) -> None:
        handle(event, connection)

    return router


async def dead_letters_of(router: TransactionalRouter, *records: ConsumerRecord) -> list[tuple[str, bool]]:
    return [(one.reason, one.decoded) for one in await router.subscription.apply(NOWHERE, records)]


async def test_a_handler_gets_its_event_and_the_connection_of_the_transaction() -> None:
    handled: list[Any] = []
    router = router_of(lambda event, connection: handled.append((event.version, connection)))

    assert await dead_letters_of(router, record(case(1)), record(case(2))) == []
    assert handled == [(1, "the open transaction"), (2, "the open transaction")]


async def test_an_event_that_no_handler_takes_is_passed_over() -> None:
    handled: list[int] = []
    router = router_of(lambda event, _: handled.append(event.version))

    assert await dead_letters_of(router, record(command()), record(case())) == []
    assert handled == [1]


async def test_an_undecodable_record_is_a_dead_letter_and_the_others_go_on() -> None:
    handled: list[int] = []
    router = router_of(lambda event, _: handled.append(event.version))

    found = await dead_letters_of(router, record(case(1)), record_of("t", b"k", b"\xff{"), record(case(2)))

    assert [decoded for _, decoded in found] == [False]
    assert handled == [1, 2]


async def test_what_a_handler_refuses_is_a_dead_letter_that_was_decoded() -> None:
    def refuse(event: CaseChanged, _: Any) -> None:
        raise Unreadable("version: it is not ours")

    assert await dead_letters_of(router_of(refuse), record(case())) == [("version: it is not ours", True)]


async def test_any_other_error_of_a_handler_fails_the_batch() -> None:
    def fail(event: CaseChanged, _: Any) -> None:
        raise ConnectionError("not now")

    with pytest.raises(ConnectionError, match="not now"):
        await dead_letters_of(router_of(fail), record(case()))


async def test_a_record_under_another_students_key_is_unreadable() -> None:
    found = await dead_letters_of(router_of(lambda *_: None), record(case(), key="TS0000000002"))

    assert found == [("the record's key is not its student_id", False)]


async def test_an_event_that_names_no_student_is_unreadable_and_the_others_go_on() -> None:
    handled: list[int] = []
    router = router_of(lambda event, _: handled.append(event.version))
    astray = record(AuditSealed(service="library", seq=1, hash="0" * 64), key="library")

    found = await dead_letters_of(router, record(case(1)), astray, record(case(2)))

    assert found == [("the record's key is not its student_id", False)]
    assert handled == [1, 2]


async def test_a_department_is_read_on_its_own_topic_only() -> None:
    attested = AttestationGiven(
        attempt_id=uuid4(),
        student_id=STUDENT,
        department="dorm",
        outcome=AttestationOutcome.CLEAR,
        version=1,
        checks=(CheckStatus(check="room", verdict=Verdict.CLEAR, facts={}),),
        attested_at=now(),
    )
    router = TransactionalRouter(group="g")
    events = router.subscriber("a", "b", decoder=event_decoder({"a": "library", "b": "dorm"}))
    handled: list[str] = []

    @events(filter=carries(AttestationGiven))
    async def attestation_given(event: AttestationGiven, connection: Transaction) -> None:
        handled.append(event.department)

    found = await dead_letters_of(router, record(attested, topic="a"), record(attested, topic="b"))

    assert found == [("department: the topic is another department's", False)]
    assert handled == ["dorm"]


@pytest.mark.parametrize(
    "headers", [(("h", None),), (("h", b"\xff"),), (("\\xff", b"x"),), (("traceparent", b"\xff"),)]
)
async def test_no_header_keeps_a_record_from_its_handler(headers: tuple[tuple[str, bytes | None], ...]) -> None:
    handled: list[int] = []
    one = record(case())
    one.headers = headers

    assert await dead_letters_of(router_of(lambda event, _: handled.append(event.version)), one) == []
    assert handled == [1]


async def test_a_batch_handler_gets_the_raw_records_and_returns_its_dead_letters() -> None:
    router = TransactionalRouter(group="g")
    batches = router.subscriber("t", batch=True)
    handled: list[Any] = []

    @batches()
    async def project(records: list[Any], connection: Transaction) -> None:
        handled.append((records, connection))

    one, other = record_of("t", b"k", b"{"), record_of("t", b"k", b"\xff")
    assert await dead_letters_of(router, one, other) == []
    assert handled == [([one, other], "the open transaction")]


@pytest.mark.parametrize("workers", [1, 2])
async def test_what_is_made_of_a_share_ahead_of_its_transaction_is_found_by_the_handler_of_the_whole_share_only(
    workers: int,
) -> None:
    async def ahead(records: Records) -> list[bytes | None]:
        return [{b"a": b"A", b"b": b"B"}[record.value or b""] for record in records]

    router = TransactionalRouter(group="g")
    batches = router.subscriber("t", batch=True, workers=workers, ahead=ahead)
    handled: list[tuple[list[bytes | None], Any]] = []

    @batches()
    async def project(records: Sequence[Any], connection: Transaction) -> None:
        handled.append(([record.value for record in records], getattr(records, "ahead", None)))

    async def commit(records: Records) -> None:
        await batches.apply(NOWHERE, records)
        await batches.apply(NOWHERE, records[:1])
        raise asyncio.CancelledError

    for values in ([b"a", b"b"], [b"a", b"unknown"]):
        await batches.consume_one([record_of("t", b"k", value) for value in values])
        with pytest.raises(asyncio.CancelledError):
            await batches.work(0, commit)

    assert handled == [
        ([b"a", b"b"], [b"A", b"B"]),
        ([b"a"], None),
        # What fails ahead fails again where it is retried.
        ([b"a", b"unknown"], None),
        ([b"a"], None),
    ]


async def test_where_commands_have_to_be_proven_one_without_its_sessions_proof_is_dead_lettered() -> None:
    handled: list[CommandAsked] = []
    router = TransactionalRouter(group="g", prove=True)
    events = router.subscriber("t")

    @events(filter=carries(CommandAsked))
    async def command_asked(event: CommandAsked, connection: Transaction) -> None:
        handled.append(event)

    proven = SessionKey(b"k" * 32).prove(command())
    of_another = command().model_copy(update={"session": proven.session})
    assert await dead_letters_of(router, record(command()), record(of_another), record(proven), record(case())) == [
        ("session: the command shows no session that asked for it", False),
        ("session: the proof is not of this command", False),
    ]
    assert handled == [proven]


async def test_each_record_is_decoded_once_however_many_handlers_there_are() -> None:
    decoded: list[int] = []
    decode = event_decoder()

    async def counting(message: Any) -> Any:
        decoded.append(message.raw_message.offset)
        return await decode(message)

    router = TransactionalRouter(group="g")
    events = router.subscriber("t", decoder=counting)

    @events(filter=carries(CommandAsked))
    async def command_asked(event: CommandAsked, connection: Transaction) -> None: ...

    @events(filter=carries(CaseChanged))
    async def case_changed(event: CaseChanged, connection: Transaction) -> None: ...

    await dead_letters_of(router, record(case()))
    assert len(decoded) == 1


async def test_a_record_without_a_value_reaches_the_handler_of_tombstones_and_no_other() -> None:
    handled: list[Any] = []
    router = TransactionalRouter(group="g")
    events = router.subscriber("t")

    @events(filter=carries(CaseChanged))
    async def case_changed(event: CaseChanged, connection: Transaction) -> None:
        handled.append(event)

    @events(filter=carries(Tombstone))
    async def forgotten(event: Tombstone, connection: Transaction) -> None:
        handled.append(event)

    assert await dead_letters_of(router, record_of("t", STUDENT.encode(), None)) == []
    assert handled == [Tombstone(student_id=STUDENT, topic="t")]


async def test_a_record_without_a_value_is_skipped_where_nothing_handles_it() -> None:
    handled: list[Any] = []
    router = router_of(lambda event, _: handled.append(event))
    assert await dead_letters_of(router, record_of("t", STUDENT.encode(), None), record(case())) == []
    assert handled == [case().model_copy(update={"occurred_at": handled[0].occurred_at})]


@pytest.mark.parametrize("key", [b"", b"\xff", b"ts20260001", b":alive"])
async def test_a_record_without_a_value_under_another_key_is_unreadable(key: bytes) -> None:
    router = router_of(lambda event, connection: None)
    ((reason, decoded),) = await dead_letters_of(router, record_of("t", key, None))
    assert "its key is no student id" in reason
    assert not decoded


async def test_a_record_without_a_value_that_is_no_tombstone_of_ours_forgets_nobody() -> None:
    """Else a mistake of a tool under the key of an open case would empty a record: no debt, and a list that covers."""
    router = TransactionalRouter(group="g")
    handled: list[Any] = []
    events = router.subscriber("t")

    @events(filter=carries(Tombstone))
    async def forgotten(event: Tombstone, connection: Transaction) -> None:
        handled.append(event)

    ((reason, _),) = await dead_letters_of(router, record_of("t", STUDENT.encode(), None, headers=()))
    assert "no tombstone of ours" in reason
    assert handled == []
