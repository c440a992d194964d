"""A department's desk over a real database, without its HTTP side."""

import importlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import asyncpg

from schemas.events import CaseChanged, CaseState, StatusChanged
from schemas.topics import Topics
from services.kit.department.desk import Desk
from services.kit.department.migration_folders import DEPARTMENT_FOLDERS
from services.kit.manifests import discover
from services.kit.messaging.event_sets import Received
from services.kit.messaging.outbox import Wakeup
from services.kit.postgres.migrations import migrate
from services.kit.postgres.pool import open_pool
from services.kit.rules.department_rules import DepartmentRules
from tests.support.departments.coverage import cover_everybody

DEPARTMENTS = tuple(discover())


def rules_of(department: str) -> DepartmentRules[Any]:
    rules: DepartmentRules[Any] = importlib.import_module(f"services.{department}.operations").RULES
    return rules


def now() -> datetime:
    return datetime.now(UTC)


@asynccontextmanager
async def desk_over(
    database: str, department: str, namespace: str = "test", *, covered: bool = True
) -> AsyncIterator[Desk[Any]]:
    """`covered`: by a complete list, so that no row about a student has its meaning by the manifest."""
    await migrate(database, DEPARTMENT_FOLDERS)
    pool = await open_pool(database, name=f"test-{department}")
    if covered:
        await cover_everybody(pool, rules_of(department))
    try:
        yield Desk(rules_of(department), pool, Topics(namespace), Wakeup(), discover()[department])
    finally:
        await pool.close()


async def open_case(desk: Desk[Any], student_id: str, version: int = 1, state: CaseState = CaseState.OPEN) -> None:
    case = CaseChanged(student_id=student_id, version=version, state=state, occurred_at=now())
    async with desk.pool.acquire() as connection, connection.transaction():
        await desk.apply_cases(connection, [Received(case)], now=now())


async def outbox_statuses(desk: Desk[Any]) -> list[StatusChanged]:
    """Every status in the outbox, in the order of the relay."""
    rows = await desk.pool.fetch("SELECT convert_from(value, 'UTF8')::json -> 'data' AS data FROM outbox ORDER BY id")
    return [StatusChanged.model_validate_json(row["data"]) for row in rows]


async def is_waiting(pool: "asyncpg.Pool[Any]") -> bool:
    """Whether a session of this database waits for a lock of another transaction."""
    waiting = """
    SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
    """
    return bool(await pool.fetchval(waiting))
