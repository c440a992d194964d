"""Names of members of staff, as the provider gave them at the last sign-in."""

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

import asyncpg

from services.gateway.timeouts import bounded


class StaffPeople:
    def __init__(self, pool: "asyncpg.Pool[Any]") -> None:
        self._pool = pool

    async def remember(self, subject: str, name: str) -> None:
        statement = """
        INSERT INTO staff_person (subject, name, signed_in_at) VALUES ($1, $2, $3)
        ON CONFLICT (subject) DO UPDATE SET name = excluded.name, signed_in_at = excluded.signed_in_at
        """
        await bounded(self._pool.execute(statement, subject, name, datetime.now(UTC)))

    async def name_of(self, subject: str) -> str:
        """The subject without a name."""
        return (
            await bounded(self._pool.fetchval("SELECT name FROM staff_person WHERE subject = $1", subject)) or subject
        )

    async def names_of(self, subjects: Collection[str]) -> dict[str, str]:
        """Of those that have one."""
        found = "SELECT subject, name FROM staff_person WHERE subject = any($1::text[])"
        rows = await bounded(self._pool.fetch(found, list(subjects)))
        return {row["subject"]: row["name"] for row in rows}
