"""Audits: `python -m services.kit.audit verify | of-student | of-actor`."""

import asyncio
from typing import Annotated

import asyncpg
import typer

from services.kit.audit.chain import ChainReport, verify
from services.kit.audit.commands import AuditSettings, audit_commands, databases_of_all
from services.kit.settings import load

app = audit_commands(databases_of_all)


@app.command("verify")
def verify_command(
    head: Annotated[
        str | None,
        typer.Option(help="SEQ:HASH, a head printed by an earlier run: shows that nothing up to it was removed."),
    ] = None,
) -> None:
    """Check every seal of LIXIAO_DATABASE; exits with 1 and lists what was changed or removed."""
    try:
        report = asyncio.run(_verify(load(AuditSettings).database, head))
    except (ValueError, OSError, asyncpg.PostgresError) as error:
        typer.echo(f"audit: {error}", err=True)
        raise typer.Exit(2) from None
    for problem in report.problems:
        typer.echo(problem, err=True)
    typer.echo(f"{report.sealed} sealed, {report.unsealed} not yet sealed, {len(report.problems)} problems")
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
