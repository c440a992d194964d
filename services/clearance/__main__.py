"""Run the clearance: `python -m services.clearance`, and what its operators do: `--help` lists it."""

import typer

from services.clearance import commands, form_commands
from services.clearance.app import clearance_app
from services.clearance.settings import ClearanceSettings
from services.kit.settings import load
from services.kit.web import serve

cli = typer.Typer(help="The clearance service and its operators' commands.", pretty_exceptions_enable=False)
cli.add_typer(commands.letters, name="dead-letters")
cli.add_typer(form_commands.keys, name="keys")
cli.command("verify")(form_commands.verify_form)
cli.command("rebuild")(commands.rebuild_view)


@cli.callback(invoke_without_command=True)
def main(context: typer.Context) -> None:
    """Without a command: serve."""
    if context.invoked_subcommand is None:
        run()


@cli.command("serve")
def run() -> None:
    """Run the service until it is told to stop."""
    settings = load(ClearanceSettings)
    serve(clearance_app(settings), settings)


if __name__ == "__main__":
    cli()
