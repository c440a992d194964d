"""Table `version_floor`: the highest version somebody may have received that this database does not know."""

from typing import Final

import structlog

from services.kit.observability import metrics
from services.kit.postgres.pool import Connection

RELAY: Final = "relay"
CLEARANCE: Final = "clearance"
_log = structlog.get_logger(__name__)


async def raise_to(connection: Connection, version: int, *, found_by: str) -> bool:
    """Whether it was lower. The alarm of a database that is older than what it has published."""
    # Nobody writes a status meanwhile: who read the lower floor has committed, and who waits reads the new one.
    await connection.execute("LOCK TABLE record IN EXCLUSIVE MODE")
    raised = await connection.fetchval(_RAISE, version)
    if raised is None:
        return False
    metrics.DATABASES_BEHIND.add(1, {"found_by": found_by})
    _log.critical("version_floor.raised", found_by=found_by, floor=version)
    return True


_RAISE: Final = """
UPDATE version_floor SET version = $1, raised_at = clock_timestamp() WHERE version < $1 RETURNING version
"""
