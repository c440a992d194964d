"""An import whose rows can be counted, and a process that works it off until it is killed: `python -m … <dsn>`."""

import asyncio
import sys
from datetime import datetime

from services.kit.imports.spec import ImportSpec, RowEffect, RowSource
from services.kit.imports.worker import ImportWorker
from services.kit.messaging.outbox import Wakeup
from services.kit.names import desk_role
from services.kit.operations import OperationBody
from services.kit.postgres.pool import Connection, open_pool
from services.kit.student_numbers import Standing

EFFECTS = "CREATE TABLE effect (id bigint GENERATED ALWAYS AS IDENTITY, student_id text NOT NULL, half text NOT NULL)"


class CountedRow(OperationBody):
    """A row whose effect is not idempotent, so that one applied twice shows."""


async def count_in(connection: Connection, row: CountedRow, source: RowSource, now: datetime) -> RowEffect:
    for half in ("first", "second"):
        await connection.execute("INSERT INTO effect (student_id, half) VALUES ($1, $2)", row.student_id, half)
    return RowEffect("applied", Standing.UNKNOWN)


COUNTED = ImportSpec(kind="counted", row=CountedRow, headings={}, apply=count_in, role=desk_role("counted"))


async def main(dsn: str) -> None:
    pool = await open_pool(dsn, name="import-process")
    await ImportWorker(COUNTED, pool, Wakeup()).run()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
