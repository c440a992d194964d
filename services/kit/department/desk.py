"""A department's only write path: lock, assess, number the status and store, in one transaction."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, tzinfo
from typing import Any, Final, Generic, TypeVar
from uuid import UUID

import asyncpg

from schemas.events import CaseChanged, CaseState, Reason, StatusChanged
from schemas.flows import source_of
from schemas.topics import Topics
from services.kit.department.evidence import coverage, questions
from services.kit.department.evidence.coverage import Coverages
from services.kit.department.tables import waiting_changes
from services.kit.department.tables.desk_request import DeskRequest
from services.kit.department.tables.done_operations import done_operations, vouched_for
from services.kit.department.tables.holders import require_free
from services.kit.department.tables.record_store import (
    PUBLISHED_CASE_STATES,
    TO_ASSESS,
    RecordStore,
    Saving,
    StoredRecord,
)
from services.kit.department.tables.row_batch import RowBatch
from services.kit.department.tables.waiting_changes import AWAITED
from services.kit.http.requests.idempotency import IdempotencyKey
from services.kit.manifests import DepartmentManifest
from services.kit.messaging.event_sets import Received
from services.kit.messaging.outbox import Wakeup
from services.kit.operations import Held, Refused, StillReading
from services.kit.postgres.pool import Connection
from services.kit.rules.assessment import Assessment
from services.kit.rules.department_rules import Claim, DepartmentRules, Record
from services.kit.rules.evidence import EVERY_CHECK, NOT_COVERED, ActEvidence, Coverage, on_evidence
from services.kit.rules.instants import Outdated, micros, newest, with_word
from services.kit.rules.reasons import CASE_OPENED, CHECK_THE_NUMBER, REPUBLISHED, STUDENT_UNKNOWN
from services.kit.student_numbers import Standing

R = TypeVar("R", bound=Record)
Operate = Callable[[R], tuple[R, Reason]]
Without = Callable[[frozenset[str]], tuple[Operate[R], ActEvidence]]
SYSTEM: Final = "system"
"""Who changes a record for no person or program outside."""


@dataclass(frozen=True, slots=True)
class ChangeResult(Generic[R]):
    """`repeated`: the stored answer of an idempotency key.

    Of what was applied: the record `before`, the checks of which it was the first word (`gained`), and the number of
    open questions it answered, at least in part (`settled`).
    """

    record: R
    assessment: Assessment
    applied: bool
    status_version: int
    standing: Standing
    repeated: bool = False
    before: R | None = None
    gained: frozenset[str] = frozenset()
    settled: int = 0


class Desk(Generic[R]):
    def __init__(
        self,
        rules: DepartmentRules[R],
        pool: "asyncpg.Pool[Any]",
        topics: Topics,
        wakeup: Wakeup,
        department: DepartmentManifest,
        *,
        refuse_unknown: bool = False,
        reject_outdated: bool = False,
        zone: tzinfo = UTC,
    ) -> None:
        """`refuse_unknown`: operations and rows about numbers that are not on the roster. `zone`: the university's."""
        self.rules = rules
        self.pool = pool
        self.wakeup = wakeup
        self.refuse_unknown = refuse_unknown
        self.reject_outdated = reject_outdated
        self.zone = zone
        self.source = source_of(rules.name)
        self.has_read = asyncio.Event()
        """What was asked before the start; until then holds may be missing."""
        self.has_read.set()
        self._absent = {check.name: check.absent for check in department.checks}
        self.command_checks = {check.command.name: check.name for check in department.checks if check.command}
        self._records = RecordStore(rules, topic=topics.status(rules.name), source=self.source)

    async def change_in(
        self,
        connection: Connection,
        student_id: str,
        operate: Operate[R],
        *,
        now: datetime,
        evidence: ActEvidence = EVERY_CHECK,
        by: str = SYSTEM,
        job_id: UUID | None = None,
        as_of: datetime | None = None,
        refuse_unknown: bool = False,
        claim: Claim | None = None,
        without: Without[R] | None = None,
        batch: RowBatch | DeskRequest | None = None,
        reads_first: bool = True,
    ) -> ChangeResult[R]:
        """Without audit and key (requests.py). The caller notifies `wakeup` after its commit.

        `job_id`: of an imported row. `without`: what is left of it without items of which there is a newer word.
        `batch`: what was read for the row, or for a request. `reads_first`: false for what was read itself.

        An act without `as_of` is the newest word, whatever the clocks of two processes say.
        """
        records = self._records if batch is None else batch
        locked = await records.lock(connection, student_id)
        if refuse_unknown and locked.standing is Standing.UNKNOWN:
            raise Refused(STUDENT_UNKNOWN(), field="student_id", remedy=CHECK_THE_NUMBER)
        at = max(micros(now), newest(locked.instants, evidence.items)) if as_of is None else micros(as_of)
        record, cause, evidence = _spoken(locked, operate, evidence, at, without)
        if claim is not None:
            await require_free(connection, claim.items, student_id, claim.refused)
        if isinstance(batch, RowBatch) and student_id in batch.by_operation:
            batch.wrote = True
            await self.vouch(connection, student_id, evidence)
        settled = answered = 0
        if locked.open_questions and evidence.settles:
            if isinstance(batch, RowBatch):
                batch.wrote = True
            settled, answered = await questions.settle(
                connection, student_id, evidence.items, as_of=as_of, by=by, job_id=job_id, now=now
            )
        changed = replace(
            locked,
            record=record,
            instants=locked.instants if evidence.blank else with_word(locked.instants, evidence.items, at),
            own_evidence=_own_evidence(locked, self.rules.checks, evidence),
            open_questions=locked.open_questions - settled,
        )
        assessment, revision = await self.assess(connection, changed, batch.coverages if batch else None)
        if record == locked.record and not settled and changed.own_evidence == locked.own_evidence:
            if changed.instants != locked.instants:
                await records.save_instants(connection, [changed])
            return ChangeResult(record, assessment, False, locked.status_version, locked.standing)
        if not assessment.clear:
            if reads_first and not self.has_read.is_set():
                raise StillReading(assessment.blocked)
            before_blocking = _before_blocking if batch is None else batch.before_blocking
            await before_blocking(connection, student_id, assessment)
        status = await records.save(connection, changed, assessment, revision=revision, cause=cause, now=now)
        version = status.version if status else locked.status_version
        gained = changed.own_evidence - locked.own_evidence
        return ChangeResult(
            record, assessment, True, version, locked.standing, before=locked.record, gained=gained, settled=answered
        )

    async def vouch(self, connection: Connection, student_id: str, word: ActEvidence) -> None:
        """What a row or act says of other items than an operation stays a word when that is taken back."""
        checks = self.rules.checks if word.checks is None else word.checks
        for done in await done_operations(connection, student_id):
            spoken = self.rules.items(done.names) | self.rules.items_of_command(done.operation)
            of_others = word.items is None or (word.items and not word.items & spoken)
            if of_others and done.gained & checks:
                await vouched_for(connection, done.entry_id, checks)

    async def apply_cases(
        self, connection: Connection, cases: Sequence[Received[CaseChanged]], *, now: datetime
    ) -> None:
        """Each of another student. Ignores older versions. An opened case always gets its first status."""
        coverages: Coverages = {}
        records = await self.lock_each(connection, [one.event.student_id for one in cases])
        savings = []
        for one in cases:
            case, locked = one.event, records[one.event.student_id]
            if case.version <= locked.case_version:
                continue
            if case.case_number > locked.case_number:
                locked = locked.leaving_again(case.case_number, case.cohort)
            opened = replace(locked, case_state=case.state, case_version=case.version, cohort=case.cohort)
            with one.traced():
                savings.append(
                    await self._saving(
                        connection, opened, cause=CASE_OPENED(), now=now, coverages=coverages, reads_first=False
                    )
                )
        await self._records.save_all(connection, savings)

    async def store(
        self,
        connection: Connection,
        stored: StoredRecord[R],
        *,
        cause: Reason,
        now: datetime,
        coverages: Coverages | None = None,
        reads_first: bool = True,
    ) -> None:
        """Assess and publish, for what no act or row changed.

        A pass that a hold relies on stands until the hold ends, and until `has_read`: then it is assessed again.
        """
        saving = await self._saving(
            connection, stored, cause=cause, now=now, coverages=coverages, reads_first=reads_first
        )
        await self._records.save_all(connection, [saving])

    async def _saving(
        self,
        connection: Connection,
        stored: StoredRecord[R],
        *,
        cause: Reason,
        now: datetime,
        coverages: Coverages | None,
        reads_first: bool,
    ) -> Saving:
        assessment, revision = await self.assess(connection, stored, coverages)
        unread = reads_first and not self.has_read.is_set() and not assessment.clear
        held = unread or await _is_held(connection, stored.student_id, assessment)
        return self._records.saving(
            stored,
            None if held else assessment,
            revision=TO_ASSESS if held else revision,
            cause=cause,
            now=now,
        )

    async def publish_again(
        self, connection: Connection, stored: StoredRecord[R], *, now: datetime, coverages: Coverages
    ) -> bool:
        """Whether there was anything to publish: a student whose case was closed keeps the last status."""
        assessment, revision = Assessment(()), None
        if stored.case_state in PUBLISHED_CASE_STATES:
            assessment, revision = await self.assess(connection, stored, coverages)
            if await _is_held(connection, stored.student_id, assessment):
                assessment, revision = Assessment(()), TO_ASSESS
        if stored.previous is not None and not assessment.checks:
            assessment = Assessment(stored.previous.checks)
        if not assessment.checks:
            return False
        await self._records.save(
            connection, stored, assessment, revision=revision, cause=REPUBLISHED(), now=now, again=True
        )
        return True

    async def current_or_new_status(
        self, connection: Connection, locked: StoredRecord[R], *, now: datetime, coverages: Coverages | None = None
    ) -> tuple[Assessment, StatusChanged]:
        """The newest status if it still holds, else a new one.

        Published even before the case opens: the clearance has asked.
        """
        assessment, revision = await self.assess(connection, locked, coverages)
        previous = locked.previous
        if previous is not None and previous.checks == assessment.checks and previous.version > locked.version_floor:
            return assessment, previous
        opened = replace(locked, case_state=CaseState.OPEN)
        status = await self._records.save(
            connection, opened, assessment, revision=revision, cause=CASE_OPENED(), now=now
        )
        assert status is not None
        return assessment, status

    async def read(self, student_id: str) -> ChangeResult[R]:
        async with self.pool.acquire() as connection:
            return await self.read_in(connection, student_id)

    async def read_in(self, connection: Connection, student_id: str) -> ChangeResult[R]:
        stored = await self._records.read(connection, student_id)
        covered, _ = await coverage.read_coverage(connection, stored.cohort, self.rules.checks)
        assessment = self._on_evidence(stored, covered)
        return ChangeResult(stored.record, assessment, False, stored.status_version, stored.standing)

    async def lock(self, connection: Connection, student_id: str) -> StoredRecord[R]:
        """Every change of a student starts with this lock."""
        return await self._records.lock(connection, student_id)

    async def lock_each(self, connection: Connection, student_ids: Iterable[str]) -> dict[str, StoredRecord[R]]:
        """As `lock`, of several, in the one order of transactions that lock several."""
        return await self._records.lock_each(connection, sorted(set(student_ids)))

    async def lock_known(self, connection: Connection, student_ids: Iterable[str]) -> None:
        """Those who have a record, in the one order of transactions that lock several."""
        await self._records.lock_known(connection, sorted(set(student_ids)))

    async def begin_batch(self, connection: Connection, student_ids: Sequence[str], together: bool = True) -> RowBatch:
        """For imported rows of one transaction. `together`: they are written at its end."""
        return await RowBatch.begin(self._records, connection, student_ids, together=together)

    async def begin_request(
        self, connection: Connection, student_id: str, evidence: ActEvidence, key: IdempotencyKey | None
    ) -> DeskRequest:
        """Raises `KeyReused`."""
        return await DeskRequest.begin(self._records, connection, student_id, evidence, self.rules.checks, key)

    async def assess(
        self, connection: Connection, stored: StoredRecord[R], coverages: Coverages | None = None
    ) -> tuple[Assessment, int | None]:
        """With the revision of the coverage it rests on, None for none.

        `coverages`: what this transaction has read of them, which holds until it ends; None reads each time.
        """
        if self.rules.checks <= stored.own_evidence:
            return self._on_evidence(stored, NOT_COVERED), None
        known: Coverages = {} if coverages is None else coverages
        if stored.cohort not in known:
            known[stored.cohort] = await coverage.shared_coverage(connection, stored.cohort, self.rules.checks)
        covered, revision = known[stored.cohort]
        return self._on_evidence(stored, covered), revision

    def _on_evidence(self, stored: StoredRecord[R], covered: Coverage) -> Assessment:
        return on_evidence(
            self.rules.assess(stored.record),
            nothing=self.rules.nothing,
            own=stored.own_evidence,
            coverage=covered,
            absent=self._absent,
            open_questions=stored.open_questions > 0,
            left_before=stored.case_number > 1,
        )


def _own_evidence(locked: StoredRecord[Any], every: frozenset[str], evidence: ActEvidence) -> frozenset[str]:
    return (locked.own_evidence | (every if evidence.checks is None else evidence.checks)) - evidence.withdraws


def _spoken(
    locked: StoredRecord[R], operate: Operate[R], evidence: ActEvidence, at: int, without: Without[R] | None
) -> tuple[R, Reason, ActEvidence]:
    """As `_operated`; of a word that is older in some items, what it says of the others, and the evidence of that."""
    try:
        return *_operated(locked, operate, evidence, at), evidence
    except Outdated:
        if without is None or evidence.items is None:
            raise
        newer = frozenset(item for item in evidence.items if at < newest(locked.instants, frozenset({item})))
        operate, evidence = without(newer)
        record, cause = _operated(locked, operate, evidence, at)
        if record == locked.record:
            raise
        return record, cause, evidence


def _operated(locked: StoredRecord[R], operate: Operate[R], evidence: ActEvidence, at: int) -> tuple[R, Reason]:
    """Raises `Outdated` for a change by a word that is older than the newest, and what `operate` raises."""
    outdated = at < newest(locked.instants, evidence.items)
    try:
        record, cause = operate(locked.record)
    except Refused:
        if outdated:
            raise Outdated(locked.standing) from None
        raise
    if outdated and record != locked.record:
        raise Outdated(locked.standing)
    return record, cause


async def _before_blocking(connection: Connection, student_id: str, assessment: Assessment) -> None:
    """A change is to be stored after which checks are blocked. Raises `Held` if a hold relies on one of them."""
    # One round trip.
    met = await connection.fetchrow(f"SELECT {_HELD} AS held, {AWAITED} AS awaited", student_id, assessment.blocked)
    assert met is not None
    if met["held"]:
        raise Held(assessment.blocked)
    if met["awaited"]:
        await waiting_changes.came(connection, student_id, assessment.blocked)


async def _is_held(connection: Connection, student_id: str, assessment: Assessment) -> bool:
    """Whether a hold relies on a check that is not clear."""
    return not assessment.clear and bool(await connection.fetchval(f"SELECT {_HELD}", student_id, assessment.blocked))


_HELD: Final = "EXISTS (SELECT FROM hold WHERE student_id = $1 AND NOT waived @> $2::text[])"
