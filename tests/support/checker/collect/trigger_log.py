"""Triggers in each database that record every committed change, in the order of its row's lock.

What the services record themselves (versions, audit) could be wrong in the same way as what is judged by it. A change
that is rolled back leaves no trace.
"""

from collections.abc import Mapping
from typing import Final

from services.kit.postgres.pool import Connection

WATCHED: Final[Mapping[str, tuple[str, ...]]] = {
    "department": (
        "record",
        "outbox",
        "hold",
        "attestation",
        "attempt_end",
        "command_done",
        "covering_load",
        "open_question",
        "import_row",
        "import_job",
    ),
    "clearance": (
        "status",
        "attempt",
        "submission",
        "form_void",
        "exception",
        "roster_exception",
        "issue",
        "issue_undo",
        "outbox",
    ),
    "gateway": ("command", "outbox"),
}
"""Kind of service → its tables that are watched."""

_TABLE: Final = """
CREATE SCHEMA trigger_log;
CREATE TABLE trigger_log.change (
    seq   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tx    bigint NOT NULL DEFAULT pg_current_xact_id()::text::bigint,
    what  text   NOT NULL,
    how   text   NOT NULL,
    said  jsonb  NOT NULL
);
CREATE FUNCTION trigger_log.record() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $function$
BEGIN
    INSERT INTO trigger_log.change (what, how, said)
    VALUES (TG_TABLE_NAME, TG_OP, CASE WHEN TG_OP = 'DELETE' THEN to_jsonb(OLD) ELSE to_jsonb(NEW) END);
    RETURN NULL;
END
$function$;
"""


async def install_trigger_log(connection: Connection, kind: str) -> None:
    """Begin to watch a migrated database in which nothing has happened yet. `connection` is its owner's or better."""
    async with connection.transaction():
        await connection.execute(_TABLE)
        for table in WATCHED[kind]:
            # What leaves the outbox is the relay's business; what was ever put into it is what counts.
            events = "INSERT" if table == "outbox" else "INSERT OR UPDATE OR DELETE"
            await connection.execute(
                f"CREATE TRIGGER trigger_log AFTER {events} ON {table}"
                " FOR EACH ROW EXECUTE FUNCTION trigger_log.record()"
            )
        if kind == "department":
            # Lists are declared as soon as a service is up.
            await connection.execute(
                "INSERT INTO trigger_log.change (what, how, said)"
                " SELECT 'covering_load', 'INSERT', to_jsonb(load) FROM covering_load AS load"
            )
