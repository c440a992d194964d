"""The gateway: the only public service. Pages, the JSON twin, live lines, sign-in, and what students ask for."""

from contextlib import AbstractAsyncContextManager

from services.gateway.app import NAME, gateway_app
from services.gateway.settings import GatewaySettings
from services.gateway.submissions import ends
from services.kit.command_line import command_line
from services.kit.dead_letter_commands import Letters, letters_in
from services.kit.handlers import each
from services.kit.parked import Reader
from services.kit.settings import load
from services.kit.web import serve


def run() -> None:
    settings = load(GatewaySettings)
    serve(gateway_app(settings), settings)


def letters() -> AbstractAsyncContextManager[Letters]:
    """What the gateway could not read of what became of its students' commands."""
    settings = load(GatewaySettings)
    return letters_in(settings.database, NAME, lambda _: {settings.topics.group(NAME): Reader(each(ends()))})


cli = command_line("The gateway", serve=run, letters=letters)

if __name__ == "__main__":
    cli()
