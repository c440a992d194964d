"""docs/published-views.md is the contract of the published views: the same views, columns, order and types."""

import re

import asyncpg

from services.clearance.migration_folders import CLEARANCE_FOLDERS
from services.kit.postgres.migrations import migrate
from tests.support.paths import ROOT
from tests.support.servers.fixtures import DatabaseMaker

PAGE = (ROOT / "docs" / "published-views.md").read_text("utf-8")


def _documented() -> dict[str, list[tuple[str, str]]]:
    views = re.split(r"^## `published\.(\w+)`$", PAGE, flags=re.MULTILINE)[1:]
    return {
        name: re.findall(r"^\| `(\w+)` \| ([\w\[\]]+) \| \S.* \|$", text, re.MULTILINE)
        for name, text in zip(views[::2], views[1::2], strict=True)
    }


async def test_the_page_lists_every_view_with_its_columns_as_the_database_has_them(
    make_database: DatabaseMaker,
) -> None:
    dsn = await make_database("clearance")
    await migrate(dsn, CLEARANCE_FOLDERS)
    connection = await asyncpg.connect(dsn)
    try:
        rows = await connection.fetch(
            """
            SELECT relname, attname,
                   replace(format_type(atttypid, atttypmod), 'timestamp with time zone', 'timestamptz')
            FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
            WHERE relnamespace = 'published'::regnamespace AND attnum > 0 AND NOT attisdropped
            ORDER BY relname, attnum
            """
        )
    finally:
        await connection.close()
    real: dict[str, list[tuple[str, str]]] = {}
    for view, column, kind in rows:
        real.setdefault(view, []).append((column, kind))
    assert _documented() == real
