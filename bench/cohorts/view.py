"""A view that grows: students who have what one real student has, and an empty record at the library."""

from collections.abc import Collection
from typing import Final

from bench import events
from schemas.status_fast import decode_status
from services.clearance.view.records import open_codes
from services.kit.postgres.pool import Connection

AT_ONCE: Final = 100_000
# The number as `events.student` writes it.
_NUMBER: Final = "'TS' || to_char(n, 'FM0000000000')"
_COLUMNS: Final = """
SELECT attname FROM pg_attribute
WHERE attrelid = $1::text::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = '' ORDER BY attnum
"""
_LISTED: Final = """
INSERT INTO open_status (department, student_id, open_since, open_codes)
SELECT department, student_id, open_since, open_codes FROM status
WHERE student_id BETWEEN $1 AND $2 AND open_since IS NOT NULL
"""
# As before any event: no position of the topic that was read, which each size has anew.
_RESTORE: Final = """
UPDATE status SET version = 1, source_partition = model.source_partition, source_offset = -1, unreadable_offset = NULL,
    older_offset = NULL, older_since = NULL, first_offset = NULL, disputed = false
FROM status AS model
WHERE status.student_id = ANY($1::text[]) AND (model.student_id, model.department) = ($2, $3)
  AND status.department = model.department
"""


async def prepare(connection: Connection, model: str) -> None:
    """`model` becomes the student whose rows are copied. Departments are heard of until the end."""
    checks = events.first_checks()
    status = events.status(0, 1, checks)
    document = status.model_dump_json().replace(status.student_id, model)
    await connection.execute(
        """
        UPDATE status
        SET version = 1, status = $3, open_codes = $4, open_since = $5, occurred_at = $5, source_offset = -1
        WHERE (student_id, department) = ($1, $2)
        """,
        model,
        events.DEPARTMENT,
        document,
        open_codes(decode_status(status.model_dump_json().encode())),
        status.occurred_at,
    )
    await connection.execute("UPDATE source SET alive_as_of = now() + interval '1 day'")


async def grow(connection: Connection, model: str, first: int, last: int) -> None:
    """Students `first` to before `last`, each with a case and a status of every department."""
    # Triggers keep the work lists row by row of the view: here all at once.
    await connection.execute("SET session_replication_role = replica")
    for begin in range(first, last, AT_ONCE):
        end = min(begin + AT_ONCE, last)
        for table in ("student_case", "status"):
            names = [row["attname"] for row in await connection.fetch(_COLUMNS, table)]
            values = {"student_id": _NUMBER, "status": f"replace(status, $1, {_NUMBER})"}
            chosen = ", ".join(values.get(name, name) for name in names)
            await connection.execute(
                f"INSERT INTO {table} ({', '.join(names)}) SELECT {chosen} "
                f"FROM generate_series($2::int, $3::int) AS n, {table} AS model WHERE student_id = $1",
                model,
                begin,
                end - 1,
            )
        await connection.execute(_LISTED, events.student(begin), events.student(end - 1))
    await connection.execute("RESET session_replication_role")
    await connection.execute("VACUUM ANALYZE")
    await connection.execute("CHECKPOINT")


async def restore(connection: Connection, model: str, touched: Collection[str], group: str) -> None:
    """What a leg of the projector changed."""
    await connection.execute(_RESTORE, list(touched), model, events.DEPARTMENT)
    await connection.execute("DELETE FROM consumer_offset WHERE consumer = $1", group)
    await connection.execute("VACUUM status, open_status")
    await connection.execute("CHECKPOINT")
