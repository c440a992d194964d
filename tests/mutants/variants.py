"""The wrong variants of the product. Each names the invariant that it has to break."""

import asyncio
import json
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from schemas.attempts import AttemptState
from schemas.events import AttestationGiven, AttestationOutcome, SubmissionAccepted, SubmitAsked
from services.clearance.receipts.payload import form_payload
from services.clearance.submission.attempts.attempt_store import Attempt, end_each
from services.clearance.submission.attempts.rounds import Round
from services.clearance.submission.round.decision import Standing, decide
from services.clearance.submission.round.handlers import Submissions
from services.clearance.submission.round.hearing import may_be_accepted
from services.clearance.submission.round.settlement import Settlement, combined
from services.clearance.submission.submission_store import add_each as add_submissions
from services.kit.department.changes.evidence_acts import EvidenceActs
from services.kit.department.rounds.attestation import Attestations
from services.kit.imports.job_store import read_whole
from services.kit.manifests import discover
from services.kit.messaging.dead_letters.store import ApplyBatch, DeadLetter
from services.kit.messaging.event_sets import Received
from services.kit.messaging.log_positions.offsets import Records
from services.kit.messaging.outbox import append
from services.kit.messaging.unit_of_work import UnitOfWork
from services.kit.postgres.pool import Connection
from services.kit.rules.assessment import Assessment
from services.kit.rules.evidence import on_evidence
from tests.mutants.patch import Patch
from tests.support.in_process.simulation import LIFE_S


@dataclass(frozen=True, slots=True)
class Mutant:
    """`mistake` is made by `apply` and seen by `invariant`; attempts live for `life_s`.

    CI runs the `quick` ones, one an invariant.

    `races` at once, where the usual number would put off what has to be at the same time.
    """

    name: str
    mistake: str
    invariant: str
    apply: Callable[[Patch], None]
    quick: bool = False
    life_s: float = LIFE_S
    races: int | None = None


MUTANTS: Final[dict[str, Mutant]] = {}


def mutant(
    name: str, mistake: str, *, breaks: str, quick: bool = False, life_s: float = LIFE_S, races: int | None = None
) -> Callable[[Callable[[Patch], None]], None]:
    """Register what makes a mistake."""

    def register(apply: Callable[[Patch], None]) -> None:
        MUTANTS[name] = Mutant(name, mistake, breaks, apply, quick, life_s, races)

    return register


_HOLD: Final = "FROM attested WHERE outcome = 'clear'"
_OWN_HOLD: Final = "WHERE hold.attempt_id = said.attempt_id AND"
_ANY_HOLD: Final = "WHERE"
_ATTESTATION: Final = "SELECT attempt_id, student_id, outcome, answer FROM attested"
_COMMAND_DONE: Final = "(command_id, student_id, command, outcome, answer) VALUES ($1, $2, $3, $4, $5)"
_UNSENT: Final = "FROM outbox WHERE id > $1 ORDER BY id LIMIT $2"


@mutant("view-only gate", "the view's word is enough to accept", breaks="S1")
def _(patch: Patch) -> None:
    asked = Submissions.submit_asked

    async def asked_and_accepted(
        self: Submissions, connection: Connection, commands: Sequence[Received[SubmitAsked]]
    ) -> list[DeadLetter]:
        refused = await asked(self, connection, commands)
        for one in commands:
            answers = [Received(answer) for answer in await _attested_by_view(connection, one.event)]
            await self.attestations_given(connection, answers)
        return refused

    patch.replace(asked, asked_and_accepted)


async def _attested_by_view(connection: Connection, event: SubmitAsked) -> list[AttestationGiven]:
    """The statuses in the view as if they were attestations, when all departments are clear there."""
    rows = await connection.fetch(
        "SELECT department, version, status FROM status JOIN attempt USING (student_id)"
        " WHERE attempt_id = $1 AND state = 'open' AND version > 0",
        event.command_id,
    )
    answers = [
        AttestationGiven(
            attempt_id=event.command_id,
            student_id=event.student_id,
            department=row["department"],
            outcome=AttestationOutcome.CLEAR,
            version=row["version"],
            checks=json.loads(row["status"])["checks"],
            attested_at=event.asked_at,
        )
        for row in rows
        if all(check["verdict"] == "clear" for check in json.loads(row["status"])["checks"])
    ]
    return answers if {answer.department for answer in answers} >= discover().keys() else []


@mutant("no hold", "a department that attests holds nothing", breaks="S1", quick=True)
def _(patch: Patch) -> None:
    patch.sql(_HOLD, "FROM attested WHERE false")


@mutant("shared hold", "a student held already is not held again, and any end ends the hold", breaks="S1")
def _(patch: Patch) -> None:
    unless_held = "NOT EXISTS (SELECT FROM hold WHERE student_id = attested.student_id)"
    patch.sql(_HOLD, f"{_HOLD} AND {unless_held}")
    patch.sql(_OWN_HOLD, _ANY_HOLD)


@mutant(
    "hold released by another attempt",
    "whichever attempt ends releases the student's holds",
    breaks="S1",
)
def _(patch: Patch) -> None:
    patch.sql(_OWN_HOLD, _ANY_HOLD)


@mutant("hold kept after a refusal", "only an acceptance releases", breaks="L4")
def _(patch: Patch) -> None:
    async def refused(*_: Any) -> None:
        """Nothing is released."""

    patch.replace(Attestations.refused, refused)


@mutant(
    "answered anew",
    "the same question is answered on the record as it is by then: the first answer does not count",
    breaks="S13",
)
def _(patch: Patch) -> None:
    patch.sql("attestation.answer, attestation.lapsed_at", "NULL::text AS answer, attestation.lapsed_at")
    patch.sql(_HOLD, f"{_HOLD} ON CONFLICT DO NOTHING")
    patch.sql(_ATTESTATION, f"{_ATTESTATION} ON CONFLICT DO NOTHING")


@mutant("check-then-insert", "the gateway looks for an open command, and inserts one when it sees none", breaks="S2")
def _(patch: Patch) -> None:
    patch.sql(
        "forms_before) VALUES ($1, $2, $3, $4, clock_timestamp(), $5) ON CONFLICT DO NOTHING RETURNING",
        "forms_before) SELECT $1, $2, $3, $4, clock_timestamp(), $5 WHERE NOT EXISTS (SELECT FROM command"
        " WHERE (student_id, department, name) = ($2, $3, $4) AND state <> 'refused') RETURNING",
    )
    for index in ("command_asked_once", "command_submitted_once"):
        patch.sql(f"UNIQUE INDEX {index}", f"INDEX {index}")


@mutant("retry without id", "a command that comes again is done again", breaks="S12", quick=True)
def _(patch: Patch) -> None:
    patch.sql("FROM command_done WHERE command_id = $1", "FROM command_done WHERE command_id = $1 AND false")
    patch.sql(_COMMAND_DONE, f"{_COMMAND_DONE} ON CONFLICT DO NOTHING")


@mutant("delete before acknowledgement", "the relay deletes rows, then sends them", breaks="S5")
def _(patch: Patch) -> None:
    gone = f"DELETE FROM outbox WHERE id IN (SELECT id {_UNSENT}) RETURNING *"
    patch.sql(_UNSENT, "FROM gone ORDER BY id", before=f"WITH gone AS ({gone}) ")


@mutant("no version guard", "the status that is read last is the view's", breaks="S6")
def _(patch: Patch) -> None:
    patch.sql("excluded.version > stored.version OR greatest(", "true OR greatest(")
    patch.sql("version = greatest(excluded.version, stored.version)", "version = excluded.version")


@mutant(
    "missing department counted as pass", "those who answered are clear, and that is enough", breaks="S11", quick=True
)
def _(patch: Patch) -> None:
    def everybody(one: Round, standing: Standing, now: datetime) -> Settlement:
        for asked in one.asked:
            for name in asked.attempt.required:
                for answer in list(asked.answers.values())[:1]:
                    asked.answers.setdefault(name, answer.model_copy(update={"department": name}))
        return decide(one, standing, now)

    patch.replace(decide, everybody)
    patch.replace(may_be_accepted, lambda *_: True)


@mutant("acknowledge on error", "a batch that failed is left behind", breaks="L3")
def _(patch: Patch) -> None:
    make = UnitOfWork.__init__

    def made(self: UnitOfWork, *, apply: ApplyBatch, **options: Any) -> None:
        async def given_up(connection: Connection, records: Records) -> list[DeadLetter]:
            try:
                async with connection.transaction():
                    return await apply(connection, records)
            except Exception:
                return []

        make(self, apply=given_up, **options)

    patch.replace(make, made)


@mutant(
    "expiry ignores the lock",
    "the sweeper ends what it read as open, whichever end came since",
    breaks="S12",
    life_s=2.0,
)
def _(patch: Patch) -> None:
    expiring: ContextVar[bool] = ContextVar("expiring", default=False)
    expire = Submissions.expire

    async def expire_unlocked(*arguments: Any) -> bool:
        token = expiring.set(True)
        try:
            return await expire(*arguments)
        finally:
            expiring.reset(token)

    async def end_slowly(connection: Connection, ended: Sequence[Attempt]) -> None:
        # An acceptance that was decided in time is still under way when the sweeper reads.
        accepted = any(one.state is AttemptState.ACCEPTED for one in ended)
        await asyncio.sleep(2.2 if accepted else 0.5 if expiring.get() else 0)
        await end_each(connection, ended)

    patch.replace(expire, expire_unlocked)
    patch.replace(end_each, end_slowly)
    patch.sql("FOR UPDATE", "", when=expiring.get)
    patch.sql("AND attempt.state = 'open' RETURNING", "RETURNING")


@mutant("late debt unseen", "an exception is opened only for a status several versions on", breaks="S18")
def _(patch: Patch) -> None:
    patch.sql("WHERE version >= attested AND", "WHERE version > attested + 3 AND")


@mutant("hand-over without a look", "the clearance does not look for open exceptions", breaks="S26", quick=True)
def _(patch: Patch) -> None:
    patch.sql(
        "FROM exception WHERE attempt_id = $1 AND closed_at IS NULL", "FROM exception WHERE attempt_id = $1 AND false"
    )


@mutant("void form handed over", "the clearance does not look whether a form is void", breaks="S26")
def _(patch: Patch) -> None:
    patch.sql("EXISTS (SELECT FROM form_void WHERE attempt_id = $1) AS void", "false AS void")


@mutant("former number not waited for", "an attempt is settled without its parts", breaks="S1")
def _(patch: Patch) -> None:
    def of_the_current_number(settlements: Sequence[Settlement]) -> Settlement:
        return settlements[0]

    patch.replace(combined, of_the_current_number)


@mutant("replacement unnamed", "a form is signed without the one it replaces", breaks="S17")
def _(patch: Patch) -> None:
    def unnamed(**said: Any) -> dict[str, Any]:
        return form_payload(**{**said, "replaces": None})

    patch.replace(form_payload, unnamed)


@mutant("form over another attempt", "what is signed names another attempt", breaks="S17")
def _(patch: Patch) -> None:
    def another(**said: Any) -> dict[str, Any]:
        signed = form_payload(**said)
        return {**signed, "attempt": signed["attempt"][::-1]}

    patch.replace(form_payload, another)


@mutant("release without an entry", "a released hold is not written into the audit", breaks="S21")
def _(patch: Patch) -> None:
    patch.sql("student_id, details FROM released", "student_id, details FROM released WHERE false")


@mutant("acceptance unsaid", "an acceptance is stored and not announced", breaks="S4")
def _(patch: Patch) -> None:
    async def append_others(connection: Connection, *, event: Any, **row: Any) -> None:
        if not isinstance(event, SubmissionAccepted):
            await append(connection, event=event, **row)

    patch.replace(append, append_others)


@mutant("no data counted as clear", "the rules alone say what is clear", breaks="S28", quick=True)
def _(patch: Patch) -> None:
    def by_the_rules(assessment: Assessment, **_: Any) -> Assessment:
        return assessment

    patch.replace(on_evidence, by_the_rules)


@mutant("another cohort's list counted", "a list covers every student, of whatever cohort", breaks="S28")
def _(patch: Patch) -> None:
    patch.sql("withdrawn_at IS NULL AND (cohort IS NULL OR cohort = $1)) AS checks", "withdrawn_at IS NULL) AS checks")


@mutant("refused row forgotten", "a refused row opens no question", breaks="S28")
def _(patch: Patch) -> None:
    async def row_refused(*_: Any) -> None:
        """Nothing is in doubt."""

    patch.replace(EvidenceActs.row_refused, row_refused)


@mutant("question settled by its own file", "of two rows of a file the good one is right", breaks="S28")
def _(patch: Patch) -> None:
    patch.sql("job_id IS DISTINCT FROM $3", "($3::uuid IS NULL OR true)")


@mutant("half-read file covers", "a file covers whatever of it could not be read", breaks="S28")
def _(patch: Patch) -> None:
    async def whole(*_: Any) -> bool:
        return True

    patch.replace(read_whole, whole)


@mutant("withdrawal not assessed again", "what rested on a list stays when it is withdrawn", breaks="S31")
def _(patch: Patch) -> None:
    patch.sql(
        "UPDATE coverage_revision SET revision = revision + 1", "UPDATE coverage_revision SET revision = revision"
    )


@mutant("open question passes", "an open question is listed and blocks nothing", breaks="S28")
def _(patch: Patch) -> None:
    def unasked(assessment: Assessment, **known: Any) -> Assessment:
        return on_evidence(assessment, **{**known, "open_questions": False})

    patch.replace(on_evidence, unasked)


@mutant(
    "withdrawn exemption still waives",
    "an exemption counts for ever, whoever took it back",
    breaks="S30",
    quick=True,
)
def _(patch: Patch) -> None:
    patch.sql("withdrawn_at IS NULL AND ends_at > clock_timestamp()", "true")


@mutant("acceptance not kept", "an acceptance is announced, and its form is not stored", breaks="S32")
def _(patch: Patch) -> None:
    async def forget(*_: Any) -> None:
        """No row."""

    patch.replace(add_submissions, forget)
