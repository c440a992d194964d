"""Students' commands."""

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID, uuid4

import asyncpg

from schemas.events import (
    CommandAnswered,
    CommandAsked,
    CommandOutcome,
    Reason,
    SessionProof,
    SubmissionAccepted,
    SubmissionRefused,
    SubmitAsked,
)
from schemas.flows import GATEWAY, source_of
from schemas.topics import Topics
from services.gateway.read_model.types import SUBMIT, UNANSWERED, Command, CommandState
from services.gateway.tables.sessions.session import Session
from services.gateway.timeouts import bounded
from services.kit.audit.log import details_text, entries_of_each
from services.kit.messaging.event_sets import Received
from services.kit.messaging.outbox import Wakeup, columns
from services.kit.names import COMMAND_CHANNEL, STUDENT
from services.kit.observability import subjects
from services.kit.postgres.pool import Connection

SOURCE: Final = source_of(GATEWAY)
COLUMNS: Final = "command_id, student_id, department, name, state, asked_at, ended_at, cause, reasons, forms_before"


_END: Final = """
UPDATE command SET state = $3, ended_at = $4, cause = $5, reasons = $6 WHERE command_id = $1 AND student_id = $2
"""
_END_GIVEN_UP: Final = f"""
{_END} AND cause = '{UNANSWERED}' AND ($3 <> '{CommandState.DONE}' OR NOT EXISTS (
    SELECT FROM command AS other
    WHERE other.state = 'done' AND department = '' AND other.command_id <> command.command_id
      AND (other.student_id, other.department, other.name, other.forms_before)
        = (command.student_id, command.department, command.name, command.forms_before)))
"""
_END_EACH: Final = """
WITH said AS (
    SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::timestamptz[], $5::text[], $6::text[])
    AS said (command_id, student_id, state, at, cause, reasons)
), ended AS (
    UPDATE command SET state = said.state, ended_at = at, cause = said.cause, reasons = said.reasons::jsonb FROM said
    WHERE (command.command_id, command.student_id) = (said.command_id, said.student_id) AND command.state = 'asked'
    RETURNING command.command_id, command.student_id
)
SELECT command_id, student_id, pg_notify($7, '') FROM ended
"""
# After the command's row, all that goes with it in one round trip.
_ASKED: Final = f"""
WITH proven AS (
    UPDATE command SET session_proof = $2 WHERE command_id = $1
), asked AS (
    SELECT $3::text AS actor, 'command.ask' AS act, 'asked' AS outcome, $4::text AS student_id, $5::text AS details
), {entries_of_each("asked")}, sent AS (
    INSERT INTO outbox (topic, key, value, traceparent) VALUES ($6, $7, $8, $9)
)
SELECT pg_notify($10, '')
"""
_GIVEN_UP: Final = f"SELECT cause = '{UNANSWERED}' FROM command WHERE command_id = $1 AND student_id = $2 FOR UPDATE"
_GIVE_WAY: Final = f"""
UPDATE command AS other SET state = 'refused', ended_at = clock_timestamp(), cause = '{UNANSWERED}'
FROM command AS one
WHERE one.command_id = $1 AND other.state = 'asked' AND other.command_id <> one.command_id
  AND (other.student_id, other.department, other.name, other.forms_before)
    = (one.student_id, one.department, one.name, one.forms_before)
"""


class StudentCommandTable:
    def __init__(self, pool: "asyncpg.Pool[Any]", topics: Topics, wakeup: Wakeup) -> None:
        self._pool = pool
        self._topics = topics
        self._wakeup = wakeup

    async def request(self, session: Session, department: str, name: str, *, forms_before: int = 0) -> Command:
        """Idempotent: the student's open command of this name, or the accepted submission (`department` is empty).

        Asked at the database's clock: the newest of two is the same for every gateway.

        `forms_before`: how many forms the student has; the one after them is requested once.
        """
        requested = self._request(session, department, name, forms_before)
        command = await bounded(requested, timeout_s=10)
        self._wakeup.notify()
        return command

    async def newest(self, student_id: str) -> tuple[Command, ...]:
        """Of each name."""
        return (await self.newest_of((student_id,))).get(student_id, ())

    async def newest_of(self, student_ids: Collection[str]) -> dict[str, tuple[Command, ...]]:
        """Of each name, by student."""
        rows = await bounded(
            self._pool.fetch(
                f"""
                SELECT DISTINCT ON (student_id, department, name) {COLUMNS} FROM command
                WHERE student_id = any($1::text[]) ORDER BY student_id, department, name, asked_at DESC
                """,
                list(student_ids),
            )
        )
        found: dict[str, list[Command]] = {}
        for row in rows:
            found.setdefault(row["student_id"], []).append(command_of(row))
        return {student_id: tuple(commands) for student_id, commands in found.items()}

    async def _request(self, session: Session, department: str, name: str, forms_before: int) -> Command:
        student_id = session.student_id
        async with self._pool.acquire() as connection, connection.transaction():
            row = await connection.fetchrow(
                f"""
                INSERT INTO command (command_id, student_id, department, name, asked_at, forms_before)
                VALUES ($1, $2, $3, $4, clock_timestamp(), $5) ON CONFLICT DO NOTHING RETURNING {COLUMNS}
                """,
                uuid4(),
                student_id,
                department,
                name,
                forms_before,
            )
            if row is not None:
                command = command_of(row)
                event = session.prove(event_of(command, student_id))
                await self._ask(connection, session, command, event)
                return command
            # The conflicting command is open or an accepted submission; the newest is either.
            row = await connection.fetchrow(
                f"""
                SELECT {COLUMNS} FROM command WHERE student_id = $1 AND department = $2 AND name = $3
                ORDER BY asked_at DESC LIMIT 1
                """,
                student_id,
                department,
                name,
            )
        if row is None:
            raise LookupError("the conflicting command is gone")
        return command_of(row)

    async def _ask(
        self, connection: Connection, session: Session, command: Command, event: SubmitAsked | CommandAsked
    ) -> None:
        name = f"{command.department}.{command.name}" if command.department else command.name
        details = {"command": command.command_id, "name": name, "session": session.handle}
        subjects.describe_current(event.student_id, act="command.ask", outcome="asked")
        await connection.execute(
            _ASKED,
            command.command_id,
            event.session.model_dump_json() if event.session else None,
            STUDENT,
            event.student_id,
            details_text(details),
            *columns(
                topic=self._topics.command, key=event.student_id, event=event, source=SOURCE, now=command.asked_at
            ),
            COMMAND_CHANNEL,
        )


EndedAttempt = SubmissionAccepted | SubmissionRefused


async def end_together(connection: Connection, events: Sequence[Received[EndedAttempt]]) -> None:
    """As `end` each: those that are asked by one statement."""
    values = [_values(one.event) for one in events]
    rows = await connection.fetch(_END_EACH, *zip(*values, strict=True), COMMAND_CHANNEL)
    ended = {(row["command_id"], row["student_id"]) for row in rows}
    for one in events:
        if (one.event.attempt_id, one.event.student_id) not in ended:
            await end(connection, one.event)


async def end(connection: Connection, event: CommandAnswered | EndedAttempt) -> None:
    command_id, student_id, state, *_ = values = _values(event)
    ended = await connection.execute(f"{_END} AND state = 'asked'", *values)
    if ended == "UPDATE 0" and await connection.fetchval(_GIVEN_UP, command_id, student_id):
        # What is known replaces the giving up. Another that the student asked since gives way: one is done at a time.
        if state == CommandState.DONE:
            await connection.execute(_GIVE_WAY, command_id)
        ended = await connection.execute(_END_GIVEN_UP, *values)
    if ended != "UPDATE 0":
        await connection.execute("SELECT pg_notify($1, '')", COMMAND_CHANNEL)


def _values(event: CommandAnswered | EndedAttempt) -> tuple[UUID, str, str, datetime, str, str]:
    """Of `_END`."""
    state, cause, reasons = CommandState.DONE, "", dict[str, Sequence[Reason]]()
    if isinstance(event, CommandAnswered):
        if event.outcome is not CommandOutcome.DONE:
            state = CommandState.REFUSED
        command_id, at, reasons = event.command_id, event.answered_at, {event.department: event.reasons}
    elif isinstance(event, SubmissionAccepted):
        command_id, at = event.attempt_id, event.accepted_at
    else:
        state, cause, reasons = CommandState.REFUSED, event.cause, dict(event.objections)
        command_id, at = event.attempt_id, event.refused_at
    document = {name: [reason.model_dump(mode="json") for reason in given] for name, given in reasons.items()}
    return command_id, event.student_id, str(state), at, cause, json.dumps(document)


def event_of(command: Command, student_id: str, proof: str | None = None) -> SubmitAsked | CommandAsked:
    """`proof`: as `session_proof` has it."""
    session = SessionProof.model_validate_json(proof) if proof else None
    if not command.department and command.name == SUBMIT:
        return SubmitAsked(
            command_id=command.command_id, student_id=student_id, asked_at=command.asked_at, session=session
        )
    return CommandAsked(
        command_id=command.command_id,
        student_id=student_id,
        department=command.department,
        command=command.name,
        asked_at=command.asked_at,
        session=session,
    )


def command_of(row: asyncpg.Record | Mapping[str, Any]) -> Command:
    """`row` of the table, or as JSON."""
    given, asked_at, ended_at = row["reasons"], row["asked_at"], row["ended_at"]
    document = json.loads(given) if isinstance(given, str) else given
    reasons = {name: tuple(Reason.model_validate(one) for one in given) for name, given in document.items()}
    return Command(
        command_id=UUID(str(row["command_id"])),
        department=row["department"],
        name=row["name"],
        state=CommandState(row["state"]),
        asked_at=_instant(asked_at),
        ended_at=_instant(ended_at) if ended_at else None,
        reasons=reasons.get(row["department"], ()),
        objections=reasons,
        cause=row["cause"],
        forms_before=row["forms_before"],
    )


def _instant(value: datetime | str) -> datetime:
    return datetime.fromisoformat(value) if isinstance(value, str) else value
