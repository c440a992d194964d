"""What departments answered, in PostgreSQL, in the caller's transaction, which holds the attempts locked."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from schemas.events import AttestationGiven
from services.clearance.submission.attempts import attempt_waivers
from services.kit.postgres.pool import Connection
from services.kit.rules.waivers import CheckKey, Waiver

Answers = dict[str, AttestationGiven]
"""By department, as they are held now."""


async def add_answers(connection: Connection, answers: Sequence[AttestationGiven]) -> None:
    """The first of a department to an attempt: the caller has seen that there is none."""
    if answers:
        await connection.execute(
            _ADD,
            [one.attempt_id for one in answers],
            [one.department for one in answers],
            [one.outcome.value for one in answers],
            [one.model_dump_json() for one in answers],
        )


async def prolong_holds(connection: Connection, answers: Sequence[AttestationGiven]) -> None:
    """Of answers that count; the caller has seen that they are held for longer."""
    for one in answers:
        await connection.execute(_PROLONG, one.attempt_id, one.department, one.held_until)


async def departments(connection: Connection, attempt_id: UUID) -> frozenset[str]:
    """That have answered it."""
    rows = await connection.fetch("SELECT department FROM answer WHERE attempt_id = $1", attempt_id)
    return frozenset(row["department"] for row in rows)


async def answers_of(
    connection: Connection, attempt_ids: Iterable[UUID]
) -> tuple[Mapping[UUID, Answers], Mapping[UUID, Mapping[CheckKey, Waiver]], datetime]:
    """Of each attempt; the waivers of those that were opened with some; and the database's clock."""
    rows = await connection.fetch(_OF_EACH, list(attempt_ids))
    answers: dict[UUID, Answers] = defaultdict(dict)
    waivers: dict[UUID, Mapping[CheckKey, Waiver]] = {}
    for row in rows:
        attempt_id = row["attempt_id"]
        if row["waivers"] is not None and attempt_id not in waivers:
            waivers[attempt_id] = attempt_waivers.by_check(row["waivers"])
        if row["said"] is not None:
            said, prolonged = AttestationGiven.model_validate_json(row["said"]), row["held_until"]
            said = said.model_copy(update={"held_until": prolonged}) if prolonged is not None else said
            answers[attempt_id][said.department] = said
    return answers, waivers, rows[0]["now"]


_ADD: Final = """
INSERT INTO answer (attempt_id, department, outcome, said)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[])
"""
_PROLONG: Final = """
INSERT INTO prolonged_hold (attempt_id, department, held_until) VALUES ($1, $2, $3)
ON CONFLICT (attempt_id, department) DO UPDATE SET held_until = excluded.held_until
"""
_OF_EACH: Final = """
SELECT asked.attempt_id, waivers, said, held_until, statement_timestamp() AS now
FROM unnest($1::uuid[]) AS asked (attempt_id)
LEFT JOIN attempt_waiver USING (attempt_id) LEFT JOIN answer USING (attempt_id)
LEFT JOIN prolonged_hold USING (attempt_id, department)
"""
