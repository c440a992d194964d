"""Command line of a service: `python -m services.<name> [serve | migrate | dead-letters …]`."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

import asyncpg
import typer

from services.kit.audit.commands import audit_commands, own_database
from services.kit.messaging.audit_heads.cli import add_chain_commands
from services.kit.messaging.dead_letters.cli import OpenDeadLetters, commands
from services.kit.postgres.migrations import MigrationError, migrate
from services.kit.settings import DatabaseSettings, Dsn, OptionalDsn, load


class _MigrationSettings(DatabaseSettings):
    """`migration_database`: as the owner. Without it the service's own role has to own the tables."""

    database: Dsn
    migration_database: OptionalDsn = None


def service_cli(
    name: str, title: str, *, serve: Callable[[], None], dead_letters: OpenDeadLetters, migrations: Sequence[Path]
) -> typer.Typer:
    """Without a command it serves. A service may add commands. `migrations`: folders."""
    cli = typer.Typer(help=f"{title} and its operator commands.", pretty_exceptions_enable=False)
    cli.add_typer(commands, name="dead-letters")
    audits = audit_commands(own_database)
    add_chain_commands(audits, name)
    cli.add_typer(audits, name="audit")

    @cli.callback(invoke_without_command=True)
    def main(context: typer.Context) -> None:
        context.obj = dead_letters
        if context.invoked_subcommand is None:
            serve()

    @cli.command("serve")
    def run() -> None:
        """Run the service until SIGTERM or SIGINT."""
        serve()

    @cli.command("migrate")
    def run_migrations() -> None:
        """Bring the tables to this release, as the owner (LIXIAO_MIGRATION_DATABASE), before it is started."""
        settings = load(_MigrationSettings)
        try:
            applied = asyncio.run(migrate(settings.migration_database or settings.database, migrations))
        except (MigrationError, asyncpg.PostgresError, OSError) as error:
            typer.echo(f"migrate: {error}", err=True)
            raise typer.Exit(1) from None
        for name in applied:
            typer.echo(f"applied: {name}")
        typer.echo(f"{len(applied)} applied")

    return cli
