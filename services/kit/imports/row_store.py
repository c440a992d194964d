"""Rows of import jobs in PostgreSQL. Every function takes part in the caller's transaction."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.kit.imports.files.problems import RowProblem
from services.kit.imports.files.rows import ReadRow
from services.kit.postgres.pool import Connection
from services.kit.student_numbers import Standing

MAX_WORDS: Final = 50
"""Distinct unrecognised words that a job keeps."""
RowState = Literal["pending", "applied", "unchanged", "rejected", "outdated"]


class RowResult(BaseModel):
    """The result of one row; `row` is its number in the file's own program: the headings are row 1."""

    model_config = ConfigDict(frozen=True)

    row: int
    state: RowState
    standing: Standing | None = Field(
        description="Of the row's number on the roster, `unknown` if it is not there; null if nobody looked it up."
    )
    problems: tuple[RowProblem, ...] = ()


@dataclass(frozen=True, slots=True)
class PendingRow:
    number: int
    cells: dict[str, str]
    problems: tuple[RowProblem, ...] = ()
    """Found by reading: the row is to be rejected."""


@dataclass(frozen=True, slots=True)
class RowOutcome:
    """The final state of a row. `student_id`: of an applied one, and of a rejected one, if it can be read."""

    number: int
    state: RowState
    problems: tuple[RowProblem, ...] | None = None
    student_id: str | None = None
    standing: Standing | None = None
    effect: str | None = None
    unrecognised: str | None = None
    version: int | None = None
    """Of what is published about the student."""


async def add_rows(connection: Connection, job_id: UUID, rows: Sequence[ReadRow]) -> None:
    """Add rows; one that reading found wrong waits to be rejected, with what that leaves in doubt."""
    await connection.copy_records_to_table(
        "import_row",
        columns=["job_id", "row_number", "state", "cells", "problems"],
        records=[
            (
                job_id,
                row.number,
                "pending",
                json.dumps(row.cells, ensure_ascii=False),
                json.dumps(row.problems, ensure_ascii=False) if row.problems else None,
            )
            for row in rows
        ],
    )
    await connection.execute("UPDATE import_job SET rows_total = rows_total + $2 WHERE job_id = $1", job_id, len(rows))


async def row_results(
    connection: Connection,
    job_id: UUID,
    *,
    state: RowState | None,
    standing: Standing | None = None,
    after: int,
    limit: int,
) -> list[RowResult]:
    """Results of the rows numbered above `after`, in order."""
    rows = await connection.fetch(
        """
        SELECT row_number, state, standing,
               CASE WHEN state IN ('rejected', 'outdated') THEN problems END AS problems FROM import_row
        WHERE job_id = $1 AND row_number > $2 AND ($3::text IS NULL OR state = $3)
              AND ($4::text IS NULL OR standing = $4) ORDER BY row_number LIMIT $5
        """,
        job_id,
        after,
        state,
        standing,
        limit,
    )
    return [
        RowResult(
            row=row["row_number"],
            state=row["state"],
            standing=row["standing"],
            problems=json.loads(row["problems"] or "[]"),
        )
        for row in rows
    ]


async def rejected_rows(
    connection: Connection, job_id: UUID, *, after: int, limit: int
) -> list[tuple[int, dict[str, str], list[RowProblem]]]:
    """Number, cells and problems of the rejected rows above `after`."""
    rows = await connection.fetch(
        """
        SELECT row_number, cells, problems FROM import_row
        WHERE job_id = $1 AND state = 'rejected' AND row_number > $2 ORDER BY row_number LIMIT $3
        """,
        job_id,
        after,
        limit,
    )
    return [(row["row_number"], json.loads(row["cells"]), json.loads(row["problems"])) for row in rows]


async def pending_rows(connection: Connection, job_id: UUID, *, after: int, limit: int) -> list[PendingRow]:
    rows = await connection.fetch(
        """
        SELECT row_number, cells, problems FROM import_row
        WHERE job_id = $1 AND state = 'pending' AND row_number > $2 ORDER BY row_number LIMIT $3
        """,
        job_id,
        after,
        limit,
    )
    return [
        PendingRow(
            row["row_number"],
            json.loads(row["cells"]),
            tuple(json.loads(row["problems"])) if row["problems"] else (),
        )
        for row in rows
    ]


async def store_outcomes(
    connection: Connection, job_id: UUID, outcomes: Sequence[RowOutcome], held: Sequence[int]
) -> None:
    """Store outcomes in the transaction of their effects, and count them on the job.

    The rows `held` back by a hold stay pending, with one try more. The condition on `state` makes an outcome final.
    """
    if outcomes:
        await connection.execute(
            """
            WITH done AS (
                UPDATE import_row SET state = outcome.state, problems = outcome.problems,
                                      student_id = outcome.student_id, standing = outcome.standing,
                                      cells = CASE WHEN outcome.state = 'rejected' THEN cells END
                FROM unnest($2::int[], $3::text[], $4::jsonb[], $5::text[], $6::text[])
                     AS outcome (number, state, problems, student_id, standing)
                WHERE job_id = $1 AND row_number = outcome.number AND import_row.state = 'pending'
                RETURNING outcome.state, outcome.standing
            )
            UPDATE import_job SET
                applied = applied + (SELECT count(*) FROM done WHERE state = 'applied'),
                unchanged = unchanged + (SELECT count(*) FROM done WHERE state = 'unchanged'),
                rejected = rejected + (SELECT count(*) FROM done WHERE state = 'rejected'),
                outdated = outdated + (SELECT count(*) FROM done WHERE state = 'outdated'),
                unknown_students = unknown_students + (SELECT count(*) FROM done WHERE standing = 'unknown')
            WHERE job_id = $1
            """,
            job_id,
            [each.number for each in outcomes],
            [each.state for each in outcomes],
            [None if each.problems is None else json.dumps(each.problems, ensure_ascii=False) for each in outcomes],
            [each.student_id if each.state == "rejected" else None for each in outcomes],
            [each.standing for each in outcomes],
        )
        await _count_effects(connection, job_id, outcomes)
    if held:
        await connection.execute(
            "UPDATE import_row SET held_tries = least(held_tries + 1, 32767)"
            " WHERE job_id = $1 AND row_number = ANY ($2::int[])",
            job_id,
            list(held),
        )


async def _count_effects(connection: Connection, job_id: UUID, outcomes: Sequence[RowOutcome]) -> None:
    """Add what the rows did, by the import's own names, to the job's counts."""
    effects = Counter(each.effect for each in outcomes if each.effect)
    words = {each.unrecognised for each in outcomes if each.unrecognised}
    if not effects and not words:
        return
    await connection.execute(
        """
        UPDATE import_job SET
            effects = (SELECT coalesce(jsonb_object_agg(name, total), '{}') FROM (
                SELECT key AS name, sum(value::int) AS total
                FROM (SELECT * FROM jsonb_each_text(effects) UNION ALL SELECT * FROM jsonb_each_text($2)) AS each
                GROUP BY key) AS totals),
            unrecognised = ARRAY(SELECT DISTINCT word FROM unnest(unrecognised || $3::text[]) AS word
                                 ORDER BY word LIMIT $4)
        WHERE job_id = $1
        """,
        job_id,
        json.dumps(effects),
        sorted(words),
        MAX_WORDS,
    )
