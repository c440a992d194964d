"""Who holds an item, by the column `holdings` of the records.

A record's own lock comes first, the item's lock then: an operation takes one of each, so that no two wait for each
other. Imports and replaced records state how things are; they lock no item, and may leave two holders.
"""

from collections.abc import Iterable
from typing import Any, Final

import asyncpg

from services.kit.operations import Refused
from services.kit.postgres.pool import Connection
from services.kit.rules.department_rules import DepartmentRules
from services.kit.rules.visible_text import STORED

_RECORDS_AT_ONCE: Final = 500


async def holders(connection: Connection, items: Iterable[str]) -> list[str]:
    """At most two students that hold one of the items."""
    rows = await connection.fetch(
        "SELECT student_id FROM record WHERE holdings && $1::text[] ORDER BY student_id LIMIT 2", sorted(items)
    )
    return [row["student_id"] for row in rows]


async def require_free(connection: Connection, items: Iterable[str], student_id: str, refused: Refused) -> None:
    """Until the transaction ends, no other student is given these items. Raises `refused` if one has them."""
    for item in sorted(items):
        await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", f"lixiao.item.{item}")
    # A statement of its own: one that waited for the lock would see the state of before.
    if any(holder != student_id for holder in await holders(connection, items)):
        raise refused


async def list_holdings(pool: "asyncpg.Pool[Any]", rules: DepartmentRules[Any]) -> None:
    """Of records that were stored before holdings were listed."""
    while rules.holdings is not None:
        async with pool.acquire() as connection, connection.transaction():
            rows = await connection.fetch(
                "SELECT student_id, body FROM record WHERE holdings IS NULL ORDER BY student_id LIMIT $1 FOR UPDATE",
                _RECORDS_AT_ONCE,
            )
            listed = [
                (
                    row["student_id"],
                    sorted(rules.holdings(rules.record.model_validate_json(row["body"], context=STORED))),
                )
                for row in rows
            ]
            await connection.executemany("UPDATE record SET holdings = $2 WHERE student_id = $1", listed)
        if len(rows) < _RECORDS_AT_ONCE:
            return
