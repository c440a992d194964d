"""The view's count and sum of hashes against a department's, at the place of its digest.

In the projector's transaction: exactly what the digest is of has been folded then, and nothing newer.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from schemas.events import StatusDigest
from services.clearance.view.fold import Partition
from services.kit.postgres.pool import Connection

# By `status_of_partition`: a scan of the whole view for each department would cost more than twice as much.
_VIEWED: Final = """
SELECT count(*) AS count, coalesce(sum(status_hash(student_id, version, status)), 0)::text AS total FROM status
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


async def compare(connection: Connection, digests: Mapping[Partition, StatusDigest], *, now: datetime) -> None:
    for (department, partition), published in sorted(digests.items()):
        row = await connection.fetchrow(_VIEWED, department, partition)
        assert row is not None
        viewed = StatusDigest.of(row["count"], int(row["total"]))
        await connection.execute(
            _COMPARED, department, partition, now, published.count, viewed.count, viewed == published
        )
