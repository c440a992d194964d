"""Student commands to a department: one effect and answer per command id."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Generic, TypeVar

from schemas.codec import Unreadable
from schemas.events import CaseState, CommandAnswered, CommandAsked, CommandOutcome, Reason
from schemas.topics import Topics
from services.kit.audit import log
from services.kit.department.desk import Desk
from services.kit.department.tables.record_store import StoredRecord
from services.kit.messaging import outbox
from services.kit.names import STUDENT
from services.kit.operations import Held, Refused
from services.kit.postgres.pool import Connection
from services.kit.rules.department_rules import Record
from services.kit.rules.evidence import NO_EVIDENCE, unknown_reason
from services.kit.rules.reasons import BEING_DECIDED, CASE_NOT_OPEN, COMMAND_UNKNOWN
from services.kit.runtime.failpoints import failpoint
from services.kit.signing.session_proofs import session_key_of

R = TypeVar("R", bound=Record)


class StudentCommands(Generic[R]):
    """Methods take part in the caller's transaction."""

    def __init__(self, desk: Desk[R], topics: Topics) -> None:
        self._desk = desk
        self._name = desk.rules.name
        self._topic = topics.answer(desk.rules.name)

    async def handle(self, connection: Connection, event: CommandAsked) -> None:
        """A repeated command gets the stored answer."""
        if event.department != self._name:
            return
        now = datetime.now(UTC)
        locked = await self._desk.lock(connection, event.student_id)
        row = await connection.fetchrow(
            "SELECT student_id, command, answer FROM command_done WHERE command_id = $1", event.command_id
        )
        if row is not None:
            if (row["student_id"], row["command"]) != (event.student_id, event.command):
                raise Unreadable("command_id: it was used for another command")
            answer = CommandAnswered.model_validate_json(row["answer"])
        else:
            if locked.case_state in (CaseState.CLOSED, CaseState.NOT_SERVED):
                reasons: tuple[Reason, ...] = (CASE_NOT_OPEN(),)
            else:
                reasons = await self._unknown(connection, event, locked) or await self._execute(connection, event, now)
            answer = CommandAnswered(
                command_id=event.command_id,
                student_id=event.student_id,
                department=self._name,
                outcome=CommandOutcome.REFUSED if reasons else CommandOutcome.DONE,
                reasons=reasons,
                answered_at=now,
            )
            await self._store(connection, event, answer)
        await outbox.append(
            connection, topic=self._topic, key=event.student_id, event=answer, source=self._desk.source, now=now
        )
        failpoint("command.before_commit")

    async def _unknown(
        self, connection: Connection, event: CommandAsked, locked: StoredRecord[R]
    ) -> tuple[Reason, ...]:
        """A command rests on what its check says: it is refused while nobody can vouch for that."""
        assessment, _ = await self._desk.assess(connection, locked)
        check = next(
            (one for one in assessment.checks if one.check == self._desk.command_checks.get(event.command)), None
        )
        reason = unknown_reason(check) if check else None
        return () if reason is None else (reason,)

    async def _execute(self, connection: Connection, event: CommandAsked, now: datetime) -> tuple[Reason, ...]:
        """Reasons for a refusal, which precedes any write."""
        operate = self._desk.rules.commands.get(event.command)
        if operate is None:
            return (COMMAND_UNKNOWN(),)
        failpoint("command.before_effect")
        try:
            evidence = replace(NO_EVIDENCE, items=self._desk.rules.items_of_command(event.command))
            await self._desk.change_in(
                connection, event.student_id, operate, now=now, evidence=evidence, reads_first=False
            )
        except Refused as refused:
            return (refused.reason,)
        except Held:
            return (BEING_DECIDED(),)
        failpoint("command.after_effect")
        return ()

    async def _store(self, connection: Connection, event: CommandAsked, answer: CommandAnswered) -> None:
        await connection.execute(
            "INSERT INTO command_done (command_id, student_id, command, outcome, answer) VALUES ($1, $2, $3, $4, $5)",
            event.command_id,
            event.student_id,
            event.command,
            answer.outcome.value,
            answer.model_dump_json(),
        )
        await log.append_entry(
            connection,
            actor=STUDENT,
            act=f"command.{event.command}",
            outcome=answer.outcome.value,
            student_id=event.student_id,
            details={
                "command": event.command_id,
                "reasons": [reason.code for reason in answer.reasons],
                **session_key_of(event),
            },
        )
