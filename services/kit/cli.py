"""Command line of a service: `python -m services.<name> [serve | dead-letters …]`."""

from collections.abc import Callable

import typer

from services.kit.audit.commands import audit_commands, own_database
from services.kit.messaging.dead_letters.cli import OpenDeadLetters, commands


def service_cli(title: str, *, serve: Callable[[], None], dead_letters: OpenDeadLetters) -> typer.Typer:
    """Without a command it serves. A service may add commands."""
    cli = typer.Typer(help=f"{title} and its operator commands.", pretty_exceptions_enable=False)
    cli.add_typer(commands, name="dead-letters")
    cli.add_typer(audit_commands(own_database), name="audit")

    @cli.callback(invoke_without_command=True)
    def main(context: typer.Context) -> None:
        context.obj = dead_letters
        if context.invoked_subcommand is None:
            serve()

    @cli.command("serve")
    def run() -> None:
        """Run the service until SIGTERM or SIGINT."""
        serve()

    return cli
