"""Reminders by staff: which lines of a student they are sent about, and what became of each press."""

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from schemas.events import CaseState, ReminderAsked
from services.kit.postgres.pool import Connection
from services.notices.news.channels import Channel
from services.notices.news.occasions import Kind, Occasion, of_reminder
from services.notices.news.reminding import Judged, Known, Outcome, judge, still_open, subjects_of
from services.notices.news.turns import LineState
from services.notices.tables import occasions
from services.notices.tables.contacts import Contact, contacts_of

DONE_MEANWHILE: Final = "done meanwhile"
"""Why a notice was dropped."""


async def take(connection: Connection, event: ReminderAsked, channels: Collection[Channel], every_days: float) -> str:
    """What comes of it: once for each press and student. Empty if it was taken before."""
    if await connection.fetchval(_TAKEN_BEFORE, event.reminder_id, event.student_id):
        return ""
    people = await people_of(connection, [event.student_id], channels, event.asked_at, every_days)
    judged = judge(subjects_of(event.checks.items()), people[event.student_id][0])
    noted = of_reminder(event, judged.subjects)
    await occasions.note(connection, noted, window_s=0.0)
    ids = [one.occasion_id for one in noted]
    await connection.execute(_KEEP, event.reminder_id, event.student_id, judged.outcome.value, ids, event.asked_at)
    return judged.outcome.value


async def without_done(connection: Connection, student_id: str, found: Sequence[Occasion]) -> list[Occasion]:
    """Without reminders of what is done by now."""
    reminded = [one.subject for one in found if one.kind is Kind.REMINDER]
    if not reminded:
        return list(found)
    due = set(still_open(reminded, (await _lines_of(connection, [student_id])).get(student_id, Known())))
    return [one for one in found if one.kind is not Kind.REMINDER or one.subject in due]


async def people_of(
    connection: Connection,
    student_ids: Sequence[str],
    channels: Collection[Channel],
    now: datetime,
    every_days: float,
) -> dict[str, tuple[Known, Contact | None]]:
    """Of every one of them. `channels`: the configured ones."""
    lines, contacts = await _lines_of(connection, student_ids), await contacts_of(connection, student_ids)
    recent: dict[str, set[str]] = {}
    since = (now - timedelta(days=every_days)).timestamp()
    for row in await connection.fetch(_RECENT, list(student_ids), int(since)):
        recent.setdefault(row["student_id"], set()).add(row["subject"])
    found = {}
    for student_id in student_ids:
        of_lines, contact = lines.get(student_id, Known()), contacts.get(student_id)
        reach = contact.reach(channels) if contact else "no-address"
        known = Known(of_lines.leaving, of_lines.done, frozenset(recent.get(student_id, ())), reach)
        found[student_id] = known, contact
    return found


def judged_of(
    people: Mapping[str, tuple[Known, Contact | None]], meant: Mapping[str, Collection[str]]
) -> dict[str, Judged]:
    """By student. `meant`: their lines."""
    return {student_id: judge(meant[student_id], known) for student_id, (known, _) in people.items()}


async def results(connection: Connection, reminder_id: UUID) -> dict[str, str]:
    """Student → `waiting`, `sent`, `failed`, or why it is not sent."""
    return {row["student_id"]: row["result"] for row in await connection.fetch(_RESULTS, reminder_id)}


async def _lines_of(connection: Connection, student_ids: Collection[str]) -> dict[str, Known]:
    """Of those the topics have said anything of."""
    done: dict[str, set[str]] = {}
    for row in await connection.fetch(_LINES, list(student_ids)):
        states = json.loads(row["states"]).items()
        clear = {check for check, state in states if state == LineState.CLEAR}
        done.setdefault(row["student_id"], set()).update(subjects_of([(row["department"], clear)]))
    leaving = {}
    for row in await connection.fetch(_CASES, list(student_ids)):
        leaving[row["student_id"]] = not row["version"] or row["state"] == CaseState.OPEN
        waived: dict[str, list[str]] = json.loads(row["waived"])
        done.setdefault(row["student_id"], set()).update(subjects_of(waived.items()))
    return {one: Known(leaving.get(one, True), frozenset(done.get(one, ()))) for one in {*done, *leaving}}


_TAKEN_BEFORE: Final = "SELECT true FROM reminder WHERE (reminder_id, student_id) = ($1, $2)"
_KEEP: Final = """
INSERT INTO reminder (reminder_id, student_id, outcome, occasions, asked_at) VALUES ($1, $2, $3, $4, $5)
"""
_LINES: Final = "SELECT student_id, department, states FROM known_line WHERE student_id = ANY($1)"
_CASES: Final = "SELECT student_id, version, state, waived FROM known_case WHERE student_id = ANY($1)"
# One that was dropped reminded of nothing.
_RECENT: Final = f"""
SELECT student_id, subject FROM occasion
WHERE student_id = ANY($1) AND kind = '{Kind.REMINDER}' AND number > $2 AND (
    collected_at IS NULL
    OR EXISTS (SELECT FROM sent_occasion WHERE sent_occasion.occasion_id = occasion.occasion_id)
    OR EXISTS (SELECT FROM notice WHERE notice.student_id = occasion.student_id AND notice.state <> 'dropped'
               AND occasion.occasion_id = ANY(notice.occasions)))
"""
_RESULTS: Final = f"""
SELECT student_id, CASE
    WHEN outcome <> '{Outcome.TAKEN}' THEN outcome
    WHEN EXISTS (SELECT FROM sent_occasion WHERE occasion_id = ANY(reminder.occasions)) THEN 'sent'
    WHEN EXISTS (SELECT FROM occasion WHERE occasion_id = ANY(reminder.occasions) AND collected_at IS NULL)
      OR 'waiting' = ANY(states) THEN 'waiting'
    WHEN 'dead' = ANY(states) THEN 'failed'
    WHEN '{DONE_MEANWHILE}' = ANY(causes) THEN '{Outcome.DONE}'
    ELSE '{Outcome.NO_ADDRESS}' END AS result
FROM reminder, LATERAL (
    SELECT array_agg(state) AS states, array_agg(cause) AS causes FROM notice
    WHERE notice.student_id = reminder.student_id AND notice.occasions && reminder.occasions) AS own
WHERE reminder_id = $1 ORDER BY student_id
"""
