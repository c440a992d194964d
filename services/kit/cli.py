"""What `python -m services.<name>` says: without a command the service runs; its operators' commands stand beside."""

from collections.abc import Callable

import typer

from services.kit.messaging import dead_letter_cli
from services.kit.messaging.dead_letter_cli import OpenLetters


def service_cli(title: str, *, serve: Callable[[], None], letters: OpenLetters) -> typer.Typer:
    """`serve`, also without a command, and `dead-letters` over what `letters` opens. A service may add its own."""
    cli = typer.Typer(help=f"{title} and its operators' commands.", pretty_exceptions_enable=False)
    cli.add_typer(dead_letter_cli.commands, name="dead-letters")

    @cli.callback(invoke_without_command=True)
    def main(context: typer.Context) -> None:
        """Without a command: serve."""
        context.obj = letters
        if context.invoked_subcommand is None:
            serve()

    @cli.command("serve")
    def run() -> None:
        """Run the service until it is told to stop."""
        serve()

    return cli
