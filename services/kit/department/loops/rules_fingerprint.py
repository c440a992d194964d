"""Rules that changed with a release: records that older ones assessed are assessed again, in the background.

Until then their statuses are those of the rules before, and count as fresh: it takes seconds to minutes.
"""

import hashlib
from pathlib import Path
from typing import Any, Final

import asyncpg
import structlog

from services.kit.department.tables.record_store import OTHER_RULES

_SHARED_RULES: Final = Path(__file__).parents[1] / "rules"
_log = structlog.get_logger(__name__)


def rules_fingerprint(folder: Path, *, shared: Path = _SHARED_RULES) -> str:
    """Of the sources that decide an assessment: the department's folder and manifest, and the kit's rules."""
    files = [*sorted(folder.glob("*.py")), folder / "department.toml", *sorted(shared.glob("*.py"))]
    digest = hashlib.sha256()
    for file in files:
        content = file.read_bytes()
        digest.update(b"%b %d " % (file.name.encode(), len(content)) + content)
    return digest.hexdigest()


async def adopt_rules(pool: "asyncpg.Pool[Any]", fingerprint: str) -> int:
    """How many records are to be assessed again: none if the last start had the same rules."""
    async with pool.acquire() as connection, connection.transaction():
        if await connection.fetchval(_ADOPT, fingerprint) is None:
            return 0
        marked = int((await connection.execute(_MARK, OTHER_RULES)).rpartition(" ")[2])
    _log.info("rules.changed", records=marked)
    return marked


_ADOPT: Final = """
INSERT INTO assessed_rules AS known (fingerprint) VALUES ($1)
ON CONFLICT (single) DO UPDATE SET fingerprint = excluded.fingerprint, since = clock_timestamp()
WHERE known.fingerprint <> excluded.fingerprint RETURNING fingerprint
"""
_MARK: Final = "UPDATE record SET assessed_revision = $1 WHERE case_state IN ('open', 'completed')"
