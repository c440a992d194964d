"""Reminders that staff send: one for each press, its commands in the outbox and in the audit."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID, uuid5

import asyncpg

from schemas.events import ReminderAsked
from schemas.topics import Topics
from services.gateway.tables.commands import SOURCE
from services.gateway.tables.sessions.session import Session
from services.gateway.timeouts import bounded
from services.kit.audit.log import append_entries, append_entry
from services.kit.messaging.outbox import Columns, Wakeup, columns
from services.kit.postgres.pool import Connection

_TIMEOUT_S: Final = 20.0
_NEWEST: Final = 5


@dataclass(frozen=True, slots=True)
class Press:
    """`area`: a department, or `progress`; `colleges`: whom the sender may see, None for all.

    `filters`: who was meant, without naming a student.
    """

    reminder_id: UUID
    area: str
    colleges: tuple[str, ...] | None
    filters: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Reminder(Press):
    """`students`: how many were asked for."""

    account: str
    students: int
    asked_at: datetime


class Reminders:
    """Methods may raise transient database errors."""

    def __init__(self, pool: "asyncpg.Pool[Any]", topics: Topics, wakeup: Wakeup) -> None:
        self._pool, self._topics, self._wakeup = pool, topics, wakeup

    async def send(self, session: Session, press: Press, meant: Mapping[str, Mapping[str, tuple[str, ...]]]) -> None:
        """Once for a press. `meant`: student → checks by department."""
        now = datetime.now(UTC)
        events = await asyncio.to_thread(_events, session, press.reminder_id, meant, now)
        rows = await asyncio.to_thread(self._columns, events, now)
        await bounded(self._send(session, press, events, rows, now), timeout_s=_TIMEOUT_S)
        self._wakeup.notify()

    async def find(self, reminder_id: UUID) -> Reminder | None:
        row = await bounded(self._pool.fetchrow(f"{_SELECT} WHERE reminder_id = $1", reminder_id))
        return _reminder(row) if row else None

    async def newest(self, area: str, colleges: Sequence[str] | None) -> tuple[Reminder, ...]:
        """Of the area; by senders who may see no more than these colleges, None: of everybody's."""
        where = "WHERE area = $1 AND ($2::text[] IS NULL OR colleges <@ $2) ORDER BY asked_at DESC"
        rows = await bounded(
            self._pool.fetch(f"{_SELECT} {where} LIMIT {_NEWEST}", area, None if colleges is None else list(colleges))
        )
        return tuple(map(_reminder, rows))

    def _columns(self, events: Sequence[ReminderAsked], now: datetime) -> list[Columns]:
        topic = self._topics.command
        return [columns(topic=topic, key=one.student_id, event=one, source=SOURCE, now=now) for one in events]

    async def _send(
        self, session: Session, press: Press, events: Sequence[ReminderAsked], rows: list[Columns], now: datetime
    ) -> None:
        async with self._pool.acquire() as connection, connection.transaction():
            colleges = None if press.colleges is None else list(press.colleges)
            values = (press.reminder_id, press.area, colleges, session.account, json.dumps(dict(press.filters)))
            if not await connection.fetchval(_KEEP, *values, len(events), now):
                return
            await connection.executemany(_APPEND, rows)
            await _audit(connection, session, press, events)


async def _audit(connection: Connection, session: Session, press: Press, events: Sequence[ReminderAsked]) -> None:
    """The press with how many, and each command."""
    shared = {"reminder": press.reminder_id, "area": press.area, "session": session.handle}
    await append_entry(
        connection,
        actor=session.account,
        act="reminder.send",
        outcome="asked",
        details={**shared, **press.filters, "students": len(events)},
    )
    about = [(one.student_id, {**shared, "command": one.command_id}) for one in events]
    await append_entries(connection, actor=session.account, act="reminder.ask", outcome="asked", about=about)


def _events(
    session: Session, reminder_id: UUID, meant: Mapping[str, Mapping[str, tuple[str, ...]]], now: datetime
) -> list[ReminderAsked]:
    return [
        session.prove(
            ReminderAsked(
                command_id=uuid5(reminder_id, student_id),
                reminder_id=reminder_id,
                student_id=student_id,
                checks=dict(checks),
                asked_by=session.account,
                asked_at=now,
            )
        )
        for student_id, checks in meant.items()
    ]


def _reminder(row: asyncpg.Record) -> Reminder:
    colleges = None if row["colleges"] is None else tuple(row["colleges"])
    return Reminder(
        row["reminder_id"],
        row["area"],
        colleges,
        json.loads(row["filters"]),
        row["account"],
        row["students"],
        row["asked_at"],
    )


_SELECT: Final = "SELECT reminder_id, area, colleges, filters, account, students, asked_at FROM reminder"
_KEEP: Final = """
INSERT INTO reminder (reminder_id, area, colleges, account, filters, students, asked_at)
VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (reminder_id) DO NOTHING RETURNING true
"""
_APPEND: Final = "INSERT INTO outbox (topic, key, value, traceparent) VALUES ($1, $2, $3, $4)"
