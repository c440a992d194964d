"""Exemptions in PostgreSQL, in the caller's transaction, which holds the student's case locked."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from services.kit.postgres.pool import Connection
from services.kit.rules.waivers import CheckKey, Waiver, WaiverKind

MAX_PAGE: Final = 200
_IN_FORCE: Final = "withdrawn_at IS NULL AND ends_at > clock_timestamp()"


async def in_force(connection: Connection, cases: Mapping[str, int]) -> dict[str, dict[CheckKey, Waiver]]:
    """`cases`: case number by student. By the database's clock, at most one a check; those of another case of the
    student number do not count."""
    rows = await connection.fetch(
        'SELECT student_id, department, check_name AS "check", kind, reason, until FROM exemption'
        " JOIN unnest($1::text[], $2::int[]) AS asked (student_id, case_number) USING (student_id, case_number)"
        f" WHERE {_IN_FORCE} ORDER BY exemption_id",
        list(cases),
        list(cases.values()),
    )
    found: dict[str, dict[CheckKey, Waiver]] = {student_id: {} for student_id in cases}
    for student_id, *values in rows:
        said = dict(zip(("department", "check", "kind", "reason", "until"), values, strict=True))
        waiver = Waiver.model_construct(**{**said, "kind": WaiverKind(said["kind"])})
        found[student_id][waiver.key] = waiver
    return found


async def page(
    connection: Connection,
    *,
    student_id: str | None,
    only_in_force: bool,
    after: int,
    limit: int,
) -> tuple[list[dict[str, Any]], int | None]:
    """Whole rows, ordered by id; with the next page's `after`."""
    rows = await connection.fetch(
        f"""
        SELECT exemption_id, student_id, department, check_name AS check, kind, reason, until, proposal_id,
               proposed_by, confirmed_by, made_at, {_IN_FORCE} AS in_force, withdrawn_at, withdrawn_by
        FROM exemption
        WHERE exemption_id > $1 AND ($2::text IS NULL OR student_id = $2) AND (NOT $3 OR {_IN_FORCE})
        ORDER BY exemption_id LIMIT $4
        """,
        after,
        student_id,
        only_in_force,
        limit + 1,
    )
    found = [dict(row) for row in rows[:limit]]
    return found, found[-1]["exemption_id"] if len(rows) > limit else None


async def add(
    connection: Connection,
    student_id: str,
    case_number: int,
    waiver: Waiver,
    *,
    ends_at: datetime,
    proposal_id: int,
    proposed_by: str,
    confirmed_by: str,
) -> None:
    """In the place of one that stands for the same check."""
    await withdraw(connection, student_id, case_number, waiver.key, proposal_id=proposal_id, by=confirmed_by)
    await connection.execute(
        """
        INSERT INTO exemption (student_id, department, check_name, kind, reason, until, ends_at, proposal_id,
                               proposed_by, confirmed_by, case_number)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
        """,
        student_id,
        waiver.department,
        waiver.check,
        waiver.kind.value,
        waiver.reason,
        waiver.until,
        ends_at,
        proposal_id,
        proposed_by,
        confirmed_by,
        case_number,
    )


async def withdraw(
    connection: Connection, student_id: str, case_number: int, key: CheckKey, *, proposal_id: int, by: str
) -> None:
    """The one that stands, if any."""
    await connection.execute(
        """
        UPDATE exemption SET withdrawn_at = clock_timestamp(), withdrawn_by = $5, withdrawal = $4
        WHERE student_id = $1 AND department = $2 AND check_name = $3 AND case_number = $6 AND withdrawn_at IS NULL
        """,
        student_id,
        *key,
        proposal_id,
        by,
        case_number,
    )
