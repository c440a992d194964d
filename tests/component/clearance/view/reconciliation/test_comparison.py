"""One comparison, beside the watch of another instance."""

from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg

from schemas.events import StatusDigest
from services.clearance.view.reconciliation.comparison import compare
from services.kit.postgres.pool import Connection

NOW = datetime.now(UTC)
_LINE = """
INSERT INTO status (student_id, department, version, occurred_at, heard_at, source_partition, source_offset, status)
VALUES ($1, 'library', 1, $2, $2, 0, $3, '{}')
"""
_ASKED = """
INSERT INTO reconciliation_finding (department, partition, since, found_at, published, viewed, asked_at, asked)
VALUES ('library', 0, $1, $1, 1, 2, $1, 1)
"""


class _HealedMeanwhile:
    """A connection; behind its first row the finding is healed by another."""

    def __init__(self, connection: Connection, dsn: str) -> None:
        self._connection, self._dsn = connection, dsn

    async def fetchrow(self, *query: Any) -> Any:
        row = await self._connection.fetchrow(*query)
        other = await asyncpg.connect(self._dsn)
        await other.execute("UPDATE reconciliation_finding SET healed_at = now()")
        await other.close()
        return row

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


async def test_a_finding_that_is_healed_during_the_comparison_has_nothing_removed(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(_LINE, "TS1", NOW + timedelta(seconds=1), 1)
        await connection.execute(_LINE, "TS2", NOW - timedelta(seconds=1), 2)
        await connection.execute(_ASKED, NOW)
        digests = {("library", 0): StatusDigest.of(1, 7)}
        assert await compare(_HealedMeanwhile(connection, dsn), digests, now=NOW) == 0  # type: ignore[arg-type]
        assert await connection.fetchval("SELECT count(*) FROM status") == 2
        await connection.execute("UPDATE reconciliation_finding SET healed_at = NULL")
        assert await compare(connection, digests, now=NOW) == 1
        assert await connection.fetchval("SELECT array_agg(student_id) FROM status") == ["TS1"]
        assert await connection.fetchval("SELECT removed FROM reconciliation_finding") == 1
    finally:
        await connection.close()
