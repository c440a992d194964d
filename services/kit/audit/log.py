"""The audit: one entry for each decision and each act of staff, in the transaction of what it tells of.

`python -m services.kit.audit.log verify` checks the chain of the database named by LIXIAO_DATABASE.
"""

import asyncio
import json
from typing import Annotated, Any, Final

import asyncpg
import typer
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.kit.audit.chain import ChainReport, verify
from services.kit.postgres.pool import Connection
from services.kit.settings import PREFIX, Dsn, load

STUDENT: Final = "student"
"""Actor of what a student asked for; which one is the entry's student."""


async def append_entry(
    connection: Connection,
    *,
    actor: str,
    act: str,
    outcome: str,
    student_id: str | None = None,
    details: dict[str, Any] | None = None,
) -> None:
    """Add an entry inside the transaction open on `connection`.

    `actor` is a principal's name, `student`, or the service itself (`/lixiao/clearance`); `details` holds ids and
    versions. A student's number stands in its own column and nowhere else, and a name nowhere.
    """
    await connection.execute(
        """
        WITH added AS (
            INSERT INTO audit.entry (actor, act, outcome, student_id, details) VALUES ($1, $2, $3, $4, $5)
            RETURNING entry_id
        )
        INSERT INTO audit.unsealed (entry_id) SELECT entry_id FROM added
        """,
        actor,
        act,
        outcome,
        student_id,
        json.dumps(details or {}, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str),
    )


class AuditSettings(BaseSettings):
    """What `verify` reads from the environment."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, extra="ignore", hide_input_in_errors=True
    )

    database: Dsn


app = typer.Typer(add_completion=False, no_args_is_help=True, help="The audit of one service.")


@app.callback()
def _with_subcommands() -> None:
    """The audit of one service."""


@app.command("verify")
def verify_command(
    head: Annotated[
        str | None,
        typer.Option(help="SEQ:HASH, a head this command printed before: shows that nothing behind it went."),
    ] = None,
) -> None:
    """Check every seal of LIXIAO_DATABASE; ends with 1 and says where when anything was changed or removed."""
    try:
        report = asyncio.run(_verify(load(AuditSettings).database, head))
    except (ValueError, OSError, asyncpg.PostgresError) as error:
        typer.echo(f"audit: {error}", err=True)
        raise typer.Exit(2) from None
    for problem in report.problems:
        typer.echo(problem, err=True)
    typer.echo(f"{report.sealed} sealed, {report.unsealed} waiting for their seal, {len(report.problems)} problems")
    typer.echo(f"head {report.head}")
    if report.problems:
        raise typer.Exit(1)


async def _verify(dsn: str, head: str | None) -> ChainReport:
    connection = await asyncpg.connect(dsn, timeout=10)
    try:
        return await verify(connection, head=head)
    finally:
        await connection.close(timeout=5)


if __name__ == "__main__":
    app()
