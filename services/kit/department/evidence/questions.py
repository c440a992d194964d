"""Open questions in PostgreSQL: refused rows of readable students, and files refused whole.

A question about a student is counted on their record, whose lock the caller holds.
"""

import json
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from schemas.events import StudentId
from services.kit.imports.files.problems import RowProblem
from services.kit.imports.spec import RefusedFile, RefusedRow
from services.kit.postgres.pool import Connection

ClosedHow = Literal["settled", "covered", "ended"]


class Question(BaseModel):
    """What a department does not know until it is settled or ended. Without `student_id`: a file refused whole."""

    model_config = ConfigDict(frozen=True)

    question_id: int
    student_id: StudentId | None
    cohort: str | None = Field(description="Whom the file was to cover; null for every student.")
    job_id: UUID | None
    row: int | None
    problems: tuple[RowProblem, ...]
    opened_by: str
    opened_at: datetime
    closed_at: datetime | None
    closed_how: ClosedHow | None = Field(
        description="`settled` by a row or act about the same item, `covered` by a later complete list, or `ended`."
    )
    closed_by: str | None
    closed_reason: str | None


_QUESTION: Final = """
SELECT question_id, student_id, cohort, job_id, row_number AS row, problems, opened_by, opened_at, closed_at,
       closed_how, closed_by, closed_reason FROM open_question
"""


async def open_about_row(
    connection: Connection, row: RefusedRow, *, items: frozenset[str] | None, as_of: datetime | None, now: datetime
) -> bool:
    """False for a row that opened its question before. `as_of`: None where nobody knows when the row was true."""
    opened = await connection.fetchval(
        """
        INSERT INTO open_question (student_id, job_id, row_number, items, problems, opened_by, opened_at, as_of)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (job_id, row_number) DO NOTHING RETURNING true
        """,
        row.student_id,
        row.source.job_id,
        row.number,
        None if items is None else sorted(items),
        json.dumps(row.problems, ensure_ascii=False),
        row.source.sent_by,
        now,
        as_of,
    )
    return bool(opened)


async def open_about_file(connection: Connection, file: RefusedFile, cohort: str | None, *, now: datetime) -> bool:
    """False while there is one about this file and cohort. The caller starts a new revision of the coverage."""
    opened = await connection.fetchval(
        """
        INSERT INTO open_question AS known (cohort, file_sha256, problems, opened_by, opened_at)
        VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (file_sha256) WHERE closed_at IS NULL DO UPDATE SET cohort = NULL
        WHERE known.cohort IS NOT NULL AND known.cohort IS DISTINCT FROM $1 RETURNING true
        """,
        cohort,
        file.sha256,
        json.dumps(file.problems, ensure_ascii=False),
        file.sent_by,
        now,
    )
    return bool(opened)


async def settle(
    connection: Connection,
    student_id: str,
    items: frozenset[str] | None,
    *,
    as_of: datetime | None,
    by: str,
    job_id: UUID | None,
    now: datetime,
) -> tuple[int, int]:
    """How many questions a good row or act about `items` (None: the whole record) closed, and how many it answered,
    wholly or in part; none newer than `as_of`.

    A row settles no question of its own job: which of two rows of a file is right is unknown.
    """
    answered = await connection.fetchrow(
        """
        WITH spoken AS (
            SELECT question_id, CASE WHEN $2::text[] IS NULL THEN '{}'
                                     ELSE ARRAY(SELECT unnest(items) EXCEPT SELECT unnest($2)) END AS left_open
            FROM open_question
            WHERE student_id = $1 AND closed_at IS NULL AND job_id IS DISTINCT FROM $3
                  AND ($4::timestamptz IS NULL OR as_of IS NULL OR as_of <= $4)
                  AND ($2 IS NULL OR items && $2)
        ), changed AS (
            UPDATE open_question AS question SET
                items = left_open,
                closed_at = CASE WHEN left_open = '{}' THEN $5::timestamptz END,
                closed_how = CASE WHEN left_open = '{}' THEN 'settled' END,
                closed_by = CASE WHEN left_open = '{}' THEN $6 END
            FROM spoken WHERE question.question_id = spoken.question_id RETURNING closed_at
        )
        SELECT count(closed_at) AS closed, count(*) AS answered FROM changed
        """,
        student_id,
        None if items is None else sorted(items),
        job_id,
        as_of,
        now,
        by,
    )
    assert answered is not None
    return answered["closed"], answered["answered"]


async def find(connection: Connection, question_id: int) -> Question | None:
    row = await connection.fetchrow(f"{_QUESTION} WHERE question_id = $1", question_id)
    return _question(row) if row else None


async def end(connection: Connection, question_id: int, *, by: str, reason: str, now: datetime) -> bool:
    """Whether it was open."""
    done = await connection.execute(
        """
        UPDATE open_question SET closed_at = $2, closed_how = 'ended', closed_by = $3, closed_reason = $4
        WHERE question_id = $1 AND closed_at IS NULL
        """,
        question_id,
        now,
        by,
        reason,
    )
    return bool(done == "UPDATE 1")


async def close_covered(
    connection: Connection, load_id: UUID, cohort: str | None, *, as_of: datetime, job_id: UUID, by: str, now: datetime
) -> None:
    """A later complete list answers for the students it covers, except for those it has a refused row of.

    Their records are marked to be assessed again; the caller starts a new revision of the coverage. A load that was
    withdrawn meanwhile answers for nobody.
    """
    # A withdrawal waits for this lock, and then finds what the load closed.
    valid = "SELECT true FROM covering_load WHERE load_id = $1 AND withdrawn_at IS NULL FOR SHARE"
    if not await connection.fetchval(valid, load_id):
        return
    await connection.execute(
        """
        WITH student AS (
            SELECT student_id FROM record
            WHERE open_questions > 0 AND ($1::text IS NULL OR cohort = $1)
                  AND NOT EXISTS (SELECT FROM import_row AS refused WHERE refused.job_id = $5
                                  AND refused.state = 'rejected' AND refused.student_id = record.student_id)
            ORDER BY student_id FOR UPDATE
        ), closed AS (
            UPDATE open_question SET closed_at = $3, closed_how = 'covered', closed_by = $4, closed_load = $6
            FROM student WHERE open_question.student_id = student.student_id AND closed_at IS NULL AND opened_at <= $2
            RETURNING open_question.student_id
        )
        UPDATE record SET open_questions = open_questions - counted.questions, assessed_revision = 0
        FROM (SELECT student_id, count(*) AS questions FROM closed GROUP BY student_id) AS counted
        WHERE record.student_id = counted.student_id
        """,
        cohort,
        as_of,
        now,
        by,
        job_id,
        load_id,
    )
    # After the records: who ends such a question holds the coverage, for which a desk with a record waits.
    await connection.execute(
        """
        UPDATE open_question SET closed_at = $3, closed_how = 'covered', closed_by = $4, closed_load = $5
        WHERE closed_at IS NULL AND student_id IS NULL AND opened_at <= $2
              AND ($1::text IS NULL OR cohort IS NOT DISTINCT FROM $1)
        """,
        cohort,
        as_of,
        now,
        by,
        load_id,
    )


async def reopen_covered(connection: Connection, load_id: UUID, *, of_students: bool) -> int:
    """Opens again what the load closed, in order of the students; how many questions.

    Those about students before the load is withdrawn, because records are locked before the coverage.
    """
    if not of_students:
        # A file that was refused again has a newer question.
        newest = (
            "(SELECT max(question_id) FROM open_question AS same WHERE same.file_sha256 = open_question.file_sha256)"
        )
        done: str = await connection.execute(f"{_REOPEN} AND student_id IS NULL AND question_id = {newest}", load_id)
        return int(done.split()[-1])
    counted: int = await connection.fetchval(
        f"""
        WITH student AS (
            SELECT student_id FROM record
            WHERE student_id IN (SELECT student_id FROM open_question WHERE closed_load = $1)
            ORDER BY student_id FOR UPDATE
        ), reopened AS (
            {_REOPEN} AND student_id IN (SELECT student_id FROM student) RETURNING student_id
        ), marked AS (
            UPDATE record SET open_questions = open_questions + counted.questions, assessed_revision = 0
            FROM (SELECT student_id, count(*) AS questions FROM reopened GROUP BY student_id) AS counted
            WHERE record.student_id = counted.student_id
        )
        SELECT count(*) FROM reopened
        """,
        load_id,
    )
    return counted


async def closed_about_students(connection: Connection, load_id: UUID) -> bool:
    """Whether the load closed questions about students."""
    found = "SELECT EXISTS (SELECT FROM open_question WHERE closed_load = $1 AND student_id IS NOT NULL)"
    return bool(await connection.fetchval(found, load_id))


_REOPEN: Final = """
UPDATE open_question SET closed_at = NULL, closed_how = NULL, closed_by = NULL, closed_load = NULL
WHERE closed_load = $1
"""


async def latest(
    connection: Connection, *, open_only: bool, before: int | None, limit: int
) -> tuple[list[Question], int | None]:
    """The newest, and the `before` of the next page or None."""
    rows = await connection.fetch(
        f"""{_QUESTION} WHERE (NOT $1 OR closed_at IS NULL) AND ($2::bigint IS NULL OR question_id < $2)
                        ORDER BY question_id DESC LIMIT $3""",
        open_only,
        before,
        limit + 1,
    )
    more = rows[limit - 1]["question_id"] if len(rows) > limit else None
    return [_question(row) for row in rows[:limit]], more


async def count_open(connection: Connection) -> tuple[int, int]:
    """About students, and about files."""
    row = await connection.fetchrow(
        """
        SELECT count(student_id) AS students, count(*) - count(student_id) AS files
        FROM open_question WHERE closed_at IS NULL
        """
    )
    assert row is not None
    return row["students"], row["files"]


def _question(row: Any) -> Question:
    return Question.model_validate({**row, "problems": json.loads(row["problems"])})
