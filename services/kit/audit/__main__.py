"""Verify an audit chain: `python -m services.kit.audit verify`."""

import asyncio
from typing import Annotated

import asyncpg
import typer
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.kit.audit.chain import ChainReport, verify
from services.kit.settings import PREFIX, Dsn, load


class AuditSettings(BaseSettings):
    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, extra="ignore", hide_input_in_errors=True
    )

    database: Dsn


app = typer.Typer(add_completion=False, no_args_is_help=True, help="The audit log of one service.")


@app.callback()
def _main() -> None:
    pass


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
