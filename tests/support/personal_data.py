"""Whether a database still has a student number anywhere: in any column of any table, bytes and JSON too."""

from typing import Any, Final

import asyncpg

_TABLES: Final = """
SELECT quote_ident(table_schema) || '.' || quote_ident(table_name) AS name FROM information_schema.tables
WHERE table_type = 'BASE TABLE' AND table_schema NOT IN ('pg_catalog', 'information_schema')
ORDER BY 1
"""
AUDIT: Final = "audit.entry"


async def tables_that_mention(connection: "asyncpg.Connection[Any] | asyncpg.Pool[Any]", number: str) -> dict[str, int]:
    """Table → rows. A row is compared as text: in any width, and bytes as hexadecimal."""
    found = {}
    for row in await connection.fetch(_TABLES):
        name = row["name"].removeprefix("public.")
        count = await connection.fetchval(
            f"SELECT count(*) FROM {row['name']} AS held"
            " WHERE strpos(upper(normalize(held::text, NFKC)), upper($1)) > 0"
            " OR strpos(held::text, encode(convert_to($1, 'UTF8'), 'hex')) > 0",
            number,
        )
        if count:
            found[name] = count
    return found
