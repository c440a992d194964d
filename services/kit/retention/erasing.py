"""Erases what a service has about students, in the caller's transaction."""

from collections.abc import Sequence

from services.kit.postgres.pool import Connection
from services.kit.retention.tables import Table


async def erasing(connection: Connection) -> None:
    """Until the transaction ends, triggers that keep rows from being deleted let them go."""
    await connection.execute("SELECT set_config('lixiao.erasing', 'on', true)")


async def erase(connection: Connection, tables: Sequence[Table], students: Sequence[str]) -> dict[str, int]:
    """Table → rows that went, without the tables that had none.

    One statement: foreign keys are compared when all of it is done, so the order of the tables is no matter.
    """
    await erasing(connection)
    statements = [(table.name, statement) for table in tables for statement in table.forget]
    parts = ", ".join(f"part_{number} AS ({each} RETURNING 1)" for number, (_, each) in enumerate(statements))
    counts = ", ".join(f"(SELECT count(*) FROM part_{number})" for number in range(len(statements)))
    row = await connection.fetchrow(f"WITH {parts} SELECT {counts}", list(students))
    assert row is not None
    erased: dict[str, int] = {}
    for (name, _), count in zip(statements, row, strict=True):
        if count:
            erased[name] = erased.get(name, 0) + count
    return erased
