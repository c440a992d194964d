"""Favourites: whether a student has marked the service."""

from datetime import UTC, datetime
from typing import Any

import asyncpg

from services.gateway.timeouts import bounded


class Favourites:
    def __init__(self, pool: "asyncpg.Pool[Any]") -> None:
        self._pool = pool

    async def contains(self, student_id: str) -> bool:
        return bool(
            await bounded(self._pool.fetchval("SELECT count(*) FROM favourite WHERE student_id = $1", student_id))
        )

    async def set(self, student_id: str, *, favourite: bool) -> None:
        """Not toggled: two devices end in the same state."""
        if favourite:
            statement = "INSERT INTO favourite (student_id, kept_at) VALUES ($1, $2) ON CONFLICT DO NOTHING"
            await bounded(self._pool.execute(statement, student_id, datetime.now(UTC)))
        else:
            await bounded(self._pool.execute("DELETE FROM favourite WHERE student_id = $1", student_id))
