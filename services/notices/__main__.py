"""`python -m services.notices [command]`: the service, or an operator command."""

from schemas.flows import NOTICES
from services.kit.cli import service_cli
from services.kit.http.serving.server import serve
from services.kit.names import CONTACTS, OPERATOR, REMINDERS
from services.kit.settings import load
from services.kit.tokens.cli import token_commands
from services.notices.app import notices_app
from services.notices.cli import contact_commands, notice_commands, open_dead_letters
from services.notices.migration_folders import NOTICE_FOLDERS
from services.notices.settings import NoticeSettings


def run() -> None:
    settings = load(NoticeSettings)
    serve(notices_app(settings), settings)


cli = service_cli(NOTICES, "The notice service", serve=run, dead_letters=open_dead_letters, migrations=NOTICE_FOLDERS)
cli.add_typer(notice_commands, name="notices")
cli.add_typer(contact_commands, name="contacts")
cli.add_typer(token_commands({CONTACTS, OPERATOR, REMINDERS}), name="tokens")

if __name__ == "__main__":
    cli()
