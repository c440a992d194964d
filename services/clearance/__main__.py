"""Run the clearance: `python -m services.clearance`, and what its operators do: `--help` lists it."""

from services.clearance import commands, form_commands
from services.clearance.app import clearance_app
from services.clearance.settings import ClearanceSettings
from services.kit.command_line import command_line
from services.kit.settings import load
from services.kit.web import serve


def run() -> None:
    settings = load(ClearanceSettings)
    serve(clearance_app(settings), settings)


cli = command_line("The clearance service", serve=run, letters=commands.letters)
cli.add_typer(form_commands.keys, name="keys")
cli.command("verify")(form_commands.verify_form)
cli.command("rebuild")(commands.rebuild_view)

if __name__ == "__main__":
    cli()
