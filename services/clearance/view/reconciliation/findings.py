"""Findings: partitions in which the view differs from a department, since when, and whose lines changed until healed.

One comparison that differs may be a mark of a log that is being read again; two in a row are a finding.
"""

from datetime import datetime
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from services.clearance.view.view_store import READABLE
from services.kit.postgres.pool import Connection

DIFFERING: Final = 2
MAX_STUDENTS: Final = 1000
"""More are not named: the whole partition differs then."""
MAX_PAGE: Final = 200


class Finding(BaseModel):
    model_config = ConfigDict(frozen=True)

    finding_id: int
    department: str
    partition: int
    since: datetime = Field(description="The first comparison that differed.")
    found_at: datetime
    published: int = Field(description="Statuses that the department has on students of this partition.")
    viewed: int = Field(description="Statuses of them that the view could show.")
    asked_at: datetime | None = Field(description="When the department was last asked to publish them again.")
    asked: int
    removed: int = Field(description="Lines of the view that the department has no status for, removed.")
    healed_at: datetime | None
    students: list[str] | None = Field(
        description=f"Whose lines differ before and after healing, at most {MAX_STUDENTS}; null until healed."
    )


_FIND: Final = """
INSERT INTO reconciliation_finding (department, partition, since, found_at, published, viewed)
SELECT department, partition, differs_since, $2, published, viewed FROM reconciliation WHERE differing >= $1
ON CONFLICT (department, partition) WHERE healed_at IS NULL DO NOTHING
RETURNING finding_id, department, partition, published, viewed
"""
# Of a line: its checks, whether they may be shown, and whether its columns say what its document says.
_CHECKS: Final = f"""CASE WHEN status.status IS JSON
    THEN hashtextextended(
        (status.status::json -> 'checks')::text || (status.status::json ->> 'version' = version::text)::text,
        {READABLE}::int)
    ELSE hashtextextended(status.status, -1) END"""
_BEFORE: Final = f"""
INSERT INTO reconciliation_before (finding_id, student_id, checks)
SELECT $1, student_id, {_CHECKS} FROM status WHERE department = $2 AND source_partition = $3 AND version > 0
"""
_HEAL: Final = f"""
WITH healed AS (
    SELECT finding_id, department, partition, compared_at
    FROM reconciliation_finding JOIN reconciliation USING (department, partition)
    WHERE healed_at IS NULL AND differing = 0 FOR UPDATE OF reconciliation_finding SKIP LOCKED
)
UPDATE reconciliation_finding AS finding SET healed_at = compared_at, students = ARRAY(
    SELECT student_id FROM (
        SELECT student_id, {_CHECKS} AS checks FROM status
        WHERE status.department = finding.department AND source_partition = finding.partition AND version > 0
    ) AS now FULL JOIN (
        SELECT student_id, checks FROM reconciliation_before AS before WHERE before.finding_id = finding.finding_id
    ) AS before USING (student_id)
    WHERE now.checks IS DISTINCT FROM before.checks ORDER BY student_id LIMIT {MAX_STUDENTS}
)
FROM healed WHERE finding.finding_id = healed.finding_id
RETURNING finding.finding_id, finding.department, finding.partition, cardinality(students) AS students
"""
_REMOVED: Final = """
SELECT DISTINCT before.student_id FROM reconciliation_before AS before JOIN student_case USING (student_id)
WHERE finding_id = ANY($1::bigint[]) AND NOT EXISTS (
    SELECT FROM status JOIN reconciliation_finding AS finding USING (department)
    WHERE finding.finding_id = before.finding_id AND status.student_id = before.student_id
) ORDER BY before.student_id
"""
_FORGET_BEFORE: Final = "DELETE FROM reconciliation_before WHERE finding_id = ANY($1::bigint[])"
_PAGE: Final = """
SELECT finding_id, department, partition, since, found_at, published, viewed, asked_at, asked, removed, healed_at,
       students
FROM reconciliation_finding WHERE (healed_at IS NULL) = $1 AND ($2::bigint = 0 OR finding_id < $2)
ORDER BY finding_id DESC LIMIT $3
"""


class Found(BaseModel):
    """For the log: no student."""

    department: str
    partition: int
    published: int
    viewed: int


class Healed(BaseModel):
    department: str
    partition: int
    students: int


async def find(connection: Connection, *, now: datetime) -> list[Found]:
    """Also keeps what the view has of them, to name the students once it is healed."""
    rows = await connection.fetch(_FIND, DIFFERING, now)
    for row in rows:
        await connection.execute(_BEFORE, row["finding_id"], row["department"], row["partition"])
    return [Found.model_validate(dict(row)) for row in rows]


async def heal(connection: Connection) -> tuple[list[Healed], list[str]]:
    """What is equal again, and students with a case of whom the department has no status any more."""
    rows = await connection.fetch(_HEAL)
    if not rows:
        return [], []
    healed = [row["finding_id"] for row in rows]
    removed = [row["student_id"] for row in await connection.fetch(_REMOVED, healed)]
    await connection.execute(_FORGET_BEFORE, healed)
    return [Healed.model_validate(dict(row)) for row in rows], removed


async def page(connection: Connection, *, healed: bool, before: int, limit: int) -> list[Finding]:
    """The newest first. `before`: the id of the last one of the page before, or 0."""
    rows = await connection.fetch(_PAGE, not healed, before, limit)
    return [Finding.model_validate(dict(row)) for row in rows]
