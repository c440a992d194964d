"""What members of staff took out of the service, in the gateway's audit."""

from collections.abc import Mapping
from typing import Any

import asyncpg

from services.gateway.timeouts import bounded
from services.kit.audit import log


class StaffAudit:
    def __init__(self, pool: "asyncpg.Pool[Any]") -> None:
        self._pool = pool

    async def list_exported(self, account: str, department: str, details: Mapping[str, str]) -> None:
        await bounded(self._append(account, department, details))

    async def _append(self, account: str, department: str, details: Mapping[str, str]) -> None:
        async with self._pool.acquire() as connection, connection.transaction():
            await log.append_entry(
                connection,
                actor=account,
                act="staff.export-list",
                outcome="exported",
                details={"department": department, **details},
            )
