"""Students in the published read model, by a role that may only SELECT."""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import asyncpg
import structlog
from pydantic import TypeAdapter, ValidationError

from schemas.attempts import AttemptState
from schemas.events import AttestationOutcome, CaseState, CheckStatus, Reason, StatusChanged
from services.gateway.read_model.signed_form import payload_of, student_of
from services.gateway.read_model.types import (
    Attempt,
    Attested,
    Case,
    FormVoid,
    ReadModelUnavailable,
    ReceivedStatus,
    StudentSnapshot,
    StudentWaivers,
    Submission,
)
from services.gateway.read_model.waivers import read_waivers, waivers_of_students
from services.gateway.timeouts import bounded

_CASES = """
SELECT c.student_id, c.version AS case_version, c.state, c.name, c.gender, c.grade, c.college, c.major,
       c.enrolled_on, c.leave_category, c.opened_on, c.case_number,
       s.department, s.status, s.heard_at, s.readable, s.alive_as_of
FROM published.case_v1 c LEFT JOIN published.status_v1 s USING (student_id)
WHERE c.student_id = any($1::text[])
"""
_ATTEMPTS = """
SELECT DISTINCT ON (student_id) student_id, attempt_id, state, opened_at, ended_at, cause, objections, answers
FROM published.attempt_v1 WHERE student_id = any($1::text[]) ORDER BY student_id, opened_at DESC
"""
_SUBMISSIONS = """
SELECT student_id, case_number, attempt_id, form_number, accepted_at, code, qr_text, receipt, facts, issued_at,
       exception_count, replaces, voided_at, void_reason, replaced_by, waivers
FROM published.submission_v2 LEFT JOIN published.attempt_waiver_v1 USING (attempt_id)
WHERE student_id = any($1::text[]) ORDER BY student_id, case_number, sequence
"""
_FORMER = """
SELECT student_id, former_number FROM published.former_number_v1 WHERE student_id = any($1::text[])
ORDER BY student_id, former_number
"""

_reasons: TypeAdapter[dict[str, tuple[Reason, ...]]] = TypeAdapter(dict[str, tuple[Reason, ...]])
_checks: TypeAdapter[tuple[CheckStatus, ...]] = TypeAdapter(tuple[CheckStatus, ...])
_log = structlog.get_logger(__name__)


class ReadModelError(Exception):
    """`since` is the first failure after the last answer."""

    def __init__(self, since: datetime) -> None:
        super().__init__("the read model cannot be read")
        self.since = since


class ReadModel:
    """The published views, and since when they do not answer."""

    def __init__(self, pool: "asyncpg.Pool[Any]") -> None:
        self._pool = pool
        self.away_since: datetime | None = None

    async def of(self, student_id: str) -> StudentSnapshot | ReadModelUnavailable:
        try:
            return (await self.many((student_id,)))[student_id]
        except ReadModelError as error:
            return ReadModelUnavailable(error.since)

    async def many(self, student_ids: Collection[str]) -> dict[str, StudentSnapshot]:
        """Raises `ReadModelError`."""
        try:
            snapshots = await bounded(self._many(list(student_ids)))
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            # Whatever the error is: the student sees an outage, the operator its type.
            if self.away_since is None:
                self.away_since = datetime.now(UTC)
                _log.warning("read_model.became_unavailable", error=type(error).__name__)
            raise ReadModelError(self.away_since) from error
        self.away_since = None
        return snapshots

    async def probe(self) -> str | None:
        await self.many(())
        return None

    async def _many(self, student_ids: list[str]) -> dict[str, StudentSnapshot]:
        async with self._pool.acquire(timeout=2) as connection:
            former = _by_student(await connection.fetch(_FORMER, student_ids))
            numbers = [row["former_number"] for rows in former.values() for row in rows]
            student_ids = list(dict.fromkeys((*student_ids, *numbers)))
            cases = _by_student(await connection.fetch(_CASES, student_ids))
            waivers = await waivers_of_students(connection, student_ids)
            attempts = {row["student_id"]: _attempt(row) for row in await connection.fetch(_ATTEMPTS, student_ids)}
            forms = _by_student(await connection.fetch(_SUBMISSIONS, student_ids))
        snapshots = {
            student_id: _snapshot(
                cases.get(student_id, []),
                attempts.get(student_id),
                tuple(_submission(row) for row in forms.get(student_id, ())),
                waivers.get(student_id, StudentWaivers()),
            )
            for student_id in student_ids
        }
        for student_id, rows in former.items():
            of_person = tuple((row["former_number"], snapshots[row["former_number"]]) for row in rows)
            snapshots[student_id] = replace(snapshots[student_id], former=of_person)
        return snapshots


def _by_student(rows: Iterable[asyncpg.Record]) -> dict[str, list[asyncpg.Record]]:
    found: dict[str, list[asyncpg.Record]] = {}
    for row in rows:
        found.setdefault(row["student_id"], []).append(row)
    return found


def _snapshot(
    rows: list[asyncpg.Record], attempt: Attempt | None, forms: tuple[Submission, ...], waivers: StudentWaivers
) -> StudentSnapshot:
    statuses: dict[str, ReceivedStatus] = {}
    unreadable: set[str] = set()
    for row in rows:
        if row["department"] is None:
            continue
        status = _status(row["status"]) if row["status"] is not None else None
        if status is None:
            unreadable.add(row["department"])
        else:
            statuses[row["department"]] = ReceivedStatus(status, row["heard_at"], row["readable"], row["alive_as_of"])
    case = _case(rows[0]) if rows else None
    return StudentSnapshot(case, statuses, frozenset(unreadable), attempt, forms, waivers)


def _case(row: asyncpg.Record) -> Case:
    return Case(
        student_id=row["student_id"],
        version=row["case_version"],
        state=CaseState(row["state"]),
        name=row["name"] or "",
        gender=row["gender"] or "",
        grade=row["grade"] or "",
        college=row["college"] or "",
        major=row["major"] or "",
        enrolled_on=row["enrolled_on"],
        leave_category=row["leave_category"] or "",
        opened_on=row["opened_on"],
        case_number=row["case_number"],
    )


@lru_cache(maxsize=20_000)
def _status(text: str) -> StatusChanged | None:
    """None if undecodable. Cached: live pages read the same rows again and again."""
    try:
        return StatusChanged.model_validate_json(text)
    except ValidationError:
        return None


def _attempt(row: asyncpg.Record) -> Attempt:
    answers = {name: _outcome(answer) for name, answer in _document(row["answers"]).items()}
    return Attempt(
        attempt_id=row["attempt_id"],
        state=AttemptState(row["state"]),
        opened_at=row["opened_at"],
        ended_at=row["ended_at"],
        cause=row["cause"] or "",
        objections=_reasons.validate_python(_document(row["objections"])),
        answers={name: outcome for name, outcome in answers.items() if outcome is not None},
    )


def _outcome(answer: Any) -> AttestationOutcome | None:
    outcome = answer.get("outcome") if isinstance(answer, Mapping) else answer
    return AttestationOutcome(outcome) if outcome in set(AttestationOutcome) else None


def _submission(row: asyncpg.Record) -> Submission:
    return Submission(
        attempt_id=row["attempt_id"],
        form_number=row["form_number"],
        accepted_at=row["accepted_at"],
        code=row["code"],
        qr_text=row["qr_text"] or "",
        facts=attested_facts(row["facts"]),
        issued_at=row["issued_at"],
        exception_count=row["exception_count"] or 0,
        student=student_of(payload_of(row["receipt"])),
        case_number=row["case_number"],
        void=form_void(row),
        replaces=row["replaces"] or "",
        waivers=read_waivers(row["waivers"]),
    )


def form_void(row: asyncpg.Record) -> FormVoid | None:
    """Of a row of `published.submission_v2`."""
    if row["voided_at"] is None:
        return None
    return FormVoid(row["voided_at"], row["void_reason"], row["replaced_by"] or "")


def attested_facts(value: Any) -> dict[str, Attested]:
    """`published.submission_v2.facts`, by department."""
    return {name: _attested(document) for name, document in _document(value).items()}


def _attested(document: Mapping[str, Any]) -> Attested:
    at = document.get("attested_at")
    return Attested(
        version=int(document.get("version", 0)),
        checks=_checks.validate_python(document.get("checks", ())),
        attested_at=datetime.fromisoformat(at) if at else None,
    )


def _document(value: Any) -> dict[str, Any]:
    """asyncpg returns JSON as text."""
    document = json.loads(value) if isinstance(value, str) else value
    return document if isinstance(document, dict) else {}
