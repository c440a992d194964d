"""Run the clearance: `python -m services.clearance`, and what its operators do: `--help` lists it."""

from services.clearance import cli
from services.clearance.app import clearance_app
from services.clearance.receipts import cli
from services.clearance.settings import ClearanceSettings
from services.kit.cli import service_cli
from services.kit.http.app import serve
from services.kit.settings import load


def run() -> None:
    settings = load(ClearanceSettings)
    serve(clearance_app(settings), settings)


cli = service_cli("The clearance service", serve=run, letters=cli.letters)
cli.add_typer(cli.keys, name="keys")
cli.command("verify")(cli.verify_form)
cli.command("rebuild")(cli.rebuild_view)

if __name__ == "__main__":
    cli()
