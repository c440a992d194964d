"""The roster opens, changes and closes cases: lock the case, decide purely, store, publish."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from schemas.events import CaseChanged, CaseState, Reason
from services.clearance.notify import notify
from services.clearance.roster import case_store, cases, standing_forms
from services.clearance.roster.case_store import SOURCE
from services.clearance.roster.cases import Case, RosterRow, Student
from services.kit.audit import log
from services.kit.clearance_policy import ServedCategories
from services.kit.imports.row_instant import row_instant
from services.kit.imports.spec import Outcome, RowEffect, RowSource, plain_refusal
from services.kit.messaging import outbox
from services.kit.operations import Refused, Remedy
from services.kit.postgres.pool import Connection
from services.kit.rules.instants import Outdated
from services.kit.rules.reasons import IN_THE_FUTURE
from services.kit.student_numbers import Standing

JOIN: Final = "roster.join"
UNJOIN: Final = "roster.unjoin"
"""Acts in the audit."""
MAX_FORMER_NUMBERS: Final = 64
"""Of a person: an accepted form names each (`schemas.events.AcceptedForm`)."""


class JoinRefused(Exception):
    """`slug`: unknown-student, chain (one of the two is joined elsewhere), joined-to-another, too-many, not-joined."""

    def __init__(self, slug: str) -> None:
        super().__init__(slug)
        self.slug = slug


@dataclass(frozen=True, slots=True)
class RosterResult:
    """`before`: the case's state before, None if there was none. `changed`: fields of the student."""

    case: Case
    outcome: Outcome
    before: CaseState | None = None
    changed: tuple[str, ...] = ()


class Roster:
    """Opens and closes cases, in the transaction open on `connection`.

    `served`: leave categories that use the service. `zone`: of the day a case is opened on.
    """

    def __init__(self, *, topic: str, served: ServedCategories, zone: ZoneInfo) -> None:
        self.topic = topic
        self._served = served
        self.zone = zone

    async def put(
        self, connection: Connection, student: Student, *, now: datetime, as_of: datetime | None = None
    ) -> RosterResult:
        """Idempotent. `as_of`: when it was true; raises `Outdated`. Without it this is the newest word."""
        today = now.astimezone(self.zone).date()
        previous = await case_store.lock(connection, student.student_id)
        if previous is None:
            listed = cases.listed(None, student, served=self._served, today=today)
            fresh = replace(listed, as_of=as_of or now)
            inserted = await case_store.insert(connection, fresh, now)
            if inserted is not None:
                return await self._publish(connection, None, inserted, now)
            # Inserted by another transaction between the two statements: that row is changed.
            previous = await case_store.lock(connection, student.student_id)
            assert previous is not None
        accepted = await _accepted_as(connection, previous)
        case = cases.listed(previous, student, served=self._served, today=today, accepted=accepted)
        return await self._spoken(connection, previous, cases.as_of_instant(previous, case, as_of=as_of, now=now), now)

    async def withdraw(
        self, connection: Connection, student_id: str, *, now: datetime, as_of: datetime | None = None
    ) -> RosterResult | None:
        """None if there is no case. As `put`."""
        previous = await case_store.lock(connection, student_id)
        if previous is None:
            return None
        case = cases.as_of_instant(previous, cases.withdrawn(previous), as_of=as_of, now=now)
        return await self._spoken(connection, previous, case, now)

    async def join(self, connection: Connection, student_id: str, former: str, *, now: datetime) -> RosterResult:
        """Make `former` a former number of the person. Raises `JoinRefused`."""
        locked = {number: await case_store.lock(connection, number) for number in sorted({student_id, former})}
        current, previous = locked[student_id], locked[former]
        if current is None:
            raise JoinRefused("unknown-student")
        if current.joined_to is not None or student_id == former or await case_store.former_numbers(connection, former):
            raise JoinRefused("chain")
        is_new = previous is None or previous.joined_to is None
        if is_new and len(await case_store.former_numbers(connection, student_id)) >= MAX_FORMER_NUMBERS:
            raise JoinRefused("too-many")
        if previous is None:
            today = now.astimezone(self.zone).date()
            fresh = cases.unlisted(current.student.model_copy(update={"student_id": former}), today)
            inserted = await case_store.insert(connection, fresh, now)
            if inserted is not None:
                await self._publish(connection, None, inserted, now)
            previous = await case_store.lock(connection, former)
            assert previous is not None
        if previous.joined_to not in (None, student_id):
            raise JoinRefused("joined-to-another")
        result = await self._spoken(connection, previous, cases.joined(previous, student_id), now)
        await standing_forms.update_exceptions(connection, current)
        return result

    async def unjoin(self, connection: Connection, student_id: str, former: str, *, now: datetime) -> RosterResult:
        """Raises `JoinRefused`."""
        locked = {number: await case_store.lock(connection, number) for number in sorted({student_id, former})}
        current, previous = locked[student_id], locked[former]
        if current is None or previous is None or previous.joined_to != student_id:
            raise JoinRefused("not-joined")
        result = await self._spoken(connection, previous, cases.joined(previous, None), now)
        await standing_forms.update_exceptions(connection, current)
        return result

    async def reopen(self, connection: Connection, previous: Case, *, now: datetime) -> RosterResult:
        """`previous` is locked and completed, and its form is void."""
        today = now.astimezone(self.zone).date()
        return await self.store(
            connection, previous, cases.reopened(previous, served=self._served, today=today), now=now
        )

    async def publish_again(self, connection: Connection, student_id: str, *, now: datetime) -> None:
        """For a department that lost it: those that have it do not act on a version they know."""
        case = await case_store.lock(connection, student_id)
        if case is not None:
            await self._publish(connection, None, case, now)

    async def apply_row(self, connection: Connection, row: RosterRow, source: RowSource, now: datetime) -> RowEffect:
        as_of = row_instant(row.as_of, source, self.zone, now)
        result = await self.put(connection, row.student, now=now, as_of=as_of)
        outcome = result.outcome
        if row.former_number is not None:
            try:
                joined = await self.join(connection, row.student_id, row.former_number, now=now)
            except JoinRefused as refused:
                remedy = _REMEDIES.get(refused.slug)
                raise Refused(Reason(code=refused.slug), field="former_number", remedy=remedy) from None
            if joined.outcome == "applied":
                if await _removed_since(connection, row.student_id, row.former_number, as_of):
                    raise Outdated(Standing.of(result.case.state))
                outcome = "applied"
                await log.append_entry(
                    connection,
                    actor=source.sent_by,
                    act=JOIN,
                    outcome="applied",
                    student_id=row.student_id,
                    details={"former_number": row.former_number, "job": source.job_id},
                )
        return RowEffect(
            outcome,
            Standing.of(result.case.state),
            cases.row_effect(result.before, result.case, changed=outcome == "applied"),
            None if self._served.recognises(row.leave_category) else row.leave_category,
            result.case.version,
        )

    async def store(self, connection: Connection, previous: Case, case: Case, *, now: datetime) -> RosterResult:
        """`previous` is locked. Published if its version is new."""
        if case == previous:
            if case.as_of != previous.as_of:
                await case_store.set_instant(connection, case)
            return RosterResult(case, "unchanged", case.state)
        await case_store.update(connection, case, now)
        return await self._publish(connection, previous, case, now)

    async def complete(self, connection: Connection, previous: Sequence[Case], *, now: datetime) -> list[CaseChanged]:
        """Those cases, which are locked and open. Returns what the caller has to publish on `topic`."""
        completed = [cases.with_state(case, CaseState.COMPLETED) for case in previous]
        await case_store.set_states(connection, completed, now)
        events = [cases.case_changed(*change, now=now) for change in zip(previous, completed, strict=True)]
        return [event for event in events if event is not None]

    async def _spoken(self, connection: Connection, previous: Case, case: Case, now: datetime) -> RosterResult:
        """Store what the roster says, and hold it against the forms that stand."""
        result = await self.store(connection, previous, case, now=now)
        if case != previous and _may_have_forms(previous):
            await standing_forms.update_exceptions(connection, case)
        return result

    async def _publish(self, connection: Connection, previous: Case | None, case: Case, now: datetime) -> RosterResult:
        event = cases.case_changed(previous, case, now=now)
        if event is not None:
            await outbox.append(connection, topic=self.topic, key=event.student_id, event=event, source=SOURCE, now=now)
        # The page shows the student's data too: a change of them is a change of the view.
        await notify(connection)
        before = previous.state if previous else None
        return RosterResult(case, "applied", before, cases.changed_fields(previous, case))


_REMEDIES: Final = {
    "chain": Remedy(
        "请把每个曾用学号直接关联到现在的学号，每行的学号填现在的学号。",
        "Join every former number to the current one directly: a row is about the current number.",
    ),
    "joined-to-another": Remedy(
        "请核对；如确属本人，请先在名单中从另一学号解除。",
        "Check it. If it is this person's, remove it from the other number on the roster first.",
    ),
    "too-many": Remedy(
        "请核对；不属于本人的，请先在名单中解除。", "Check them, and remove those that are not this person's first."
    ),
}
_WORDS: Final = {
    "chain": "曾用学号不能再有曾用学号，也不能是现在的学号。 "
    "A former number has none of its own, and is not the current one.",
    "joined-to-another": "该学号是另一学号的曾用学号。 The number is another one's former number.",
    "too-many": "该生的曾用学号已达上限。 The student has as many former numbers as a form can name.",
    IN_THE_FUTURE.code: "数据时间在将来。 The instant is in the future.",
}


def refusal_words(refused: Refused) -> str:
    """Of a row."""
    return _WORDS.get(refused.reason.code) or plain_refusal(refused)


async def _removed_since(connection: Connection, student_id: str, former: str, as_of: datetime) -> bool:
    """Whether the number was removed by command after `as_of`."""
    found = """
        SELECT EXISTS (
            SELECT FROM audit.entry WHERE student_id = $1 AND act = $2 AND outcome = 'applied' AND at > $4
            AND details::json ->> 'former_number' = $3
        )
    """
    return bool(await connection.fetchval(found, student_id, UNJOIN, former, as_of))


def _may_have_forms(case: Case) -> bool:
    """Spares the rows of an import a query each."""
    return case.state is CaseState.COMPLETED or case.case_number > 1


async def _accepted_as(connection: Connection, case: Case) -> Mapping[str, Any] | None:
    """The student as signed, of a completed case."""
    if case.state is not CaseState.COMPLETED:
        return None
    forms = await standing_forms.standing_forms(connection, case.student.student_id)
    return next((form.student for form in forms if form.case_number == case.case_number), None)
