"""The view's count and sum of hashes against a department's, at the place of its digest.

In the projector's transaction: exactly what the digest is of has been folded then, and nothing newer.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from schemas.events import StatusDigest
from services.clearance.view.fold import Partition
from services.clearance.view.view_store import READABLE
from services.kit.postgres.pool import Connection


async def compare(connection: Connection, digests: Mapping[Partition, StatusDigest], *, now: datetime) -> int:
    """How many lines were removed: the department has published everything again since it was asked, but not them."""
    removed = 0
    for (department, partition), published in sorted(digests.items()):
        row = await connection.fetchrow(_VIEWED, department, partition)
        assert row is not None
        viewed = StatusDigest.of(row["count"], int(row["total"]))
        await connection.execute(
            _COMPARED, department, partition, now, published.count, viewed.count, viewed == published
        )
        if row["asked"] and row["lines"] > row["confirmed"] == published.count:
            removed += await connection.fetchval(_REMOVE, department, partition)
    return removed


# A line that may not be shown differs too: published again, its status has a newer version.
# By `status_of_partition`: a scan of the whole view for each department would cost more than twice as much.
_VIEWED: Final = f"""
WITH finding AS (
    SELECT max(asked_at) AS asked_at FROM reconciliation_finding
    WHERE department = $1 AND partition = $2 AND healed_at IS NULL
)
SELECT count(*) FILTER (WHERE readable) AS count,
       coalesce(sum(status_hash(student_id, version, status)) FILTER (WHERE readable), 0)::text AS total,
       count(*) AS lines, (SELECT asked_at FROM finding) IS NOT NULL AS asked,
       count(*) FILTER (WHERE heard_at > (SELECT asked_at FROM finding)) AS confirmed
FROM status, {READABLE} AS readable
WHERE department = $1 AND source_partition = $2 AND version > 0
"""
_COMPARED: Final = """
INSERT INTO reconciliation AS stored (department, partition, compared_at, published, viewed, differing, differs_since)
VALUES ($1, $2, $3, $4, $5, CASE WHEN $6 THEN 0 ELSE 1 END, CASE WHEN $6 THEN NULL ELSE $3::timestamptz END)
ON CONFLICT (department, partition) DO UPDATE SET
    compared_at = excluded.compared_at, published = excluded.published, viewed = excluded.viewed,
    differing = CASE WHEN $6 THEN 0 ELSE stored.differing + 1 END,
    differs_since = CASE WHEN $6 THEN NULL ELSE coalesce(stored.differs_since, excluded.compared_at) END
"""
_REMOVE: Final = """
WITH removed AS (
    DELETE FROM status USING reconciliation_finding AS finding
    WHERE status.department = $1 AND status.source_partition = $2 AND status.version > 0
      AND finding.department = $1 AND finding.partition = $2 AND finding.healed_at IS NULL
      AND status.heard_at <= finding.asked_at
    RETURNING status.student_id
), counted AS (
    UPDATE reconciliation_finding SET removed = removed + (SELECT count(*) FROM removed)
    WHERE department = $1 AND partition = $2 AND healed_at IS NULL
)
SELECT count(*) FROM removed
"""
