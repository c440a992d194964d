"""`python -m services.clearance [command]`: the service, or an operator command."""

from schemas.flows import CLEARANCE
from services.clearance.app import clearance_app
from services.clearance.cli import (
    checks_that_apply,
    forget_student,
    open_dead_letters,
    open_publisher,
    rebuild_view,
    sign_forms_again,
)
from services.clearance.migration_folders import CLEARANCE_FOLDERS
from services.clearance.parts import policy_of
from services.clearance.receipts.cli import OF_A_KEY, keys, verify_form
from services.clearance.settings import ClearanceSettings
from services.kit.cli import service_cli
from services.kit.http.serving.server import serve
from services.kit.names import APPROVER, FORGETTING, FORM_VOID, OPERATOR, ROSTER
from services.kit.republishing.cli import republish_command
from services.kit.settings import load, reported
from services.kit.tokens.cli import token_commands


def run() -> None:
    settings = load(ClearanceSettings)
    with reported():
        policy_of(settings)
    serve(clearance_app(settings), settings)


cli = service_cli(
    CLEARANCE, "The clearance service", serve=run, dead_letters=open_dead_letters, migrations=CLEARANCE_FOLDERS
)
cli.add_typer(keys, name="keys")
cli.add_typer(token_commands({ROSTER, APPROVER, FORM_VOID, FORGETTING, OPERATOR}), name="tokens")
keys.command("sign-again", context_settings=OF_A_KEY)(sign_forms_again)
cli.command("verify")(verify_form)
cli.command("forget")(forget_student)
cli.command("republish")(republish_command(open_publisher))
cli.command("rebuild")(rebuild_view)
cli.command("checks-that-apply")(checks_that_apply)

if __name__ == "__main__":
    cli()
