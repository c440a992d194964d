"""The gateway: the only public service. Pages, the JSON twin, live lines, sign-in, and what students ask for."""

from contextlib import AbstractAsyncContextManager

from schemas.flows import GATEWAY
from services.gateway.app import gateway_app
from services.gateway.settings import GatewaySettings
from services.gateway.tables.subscriptions import gateway_router
from services.kit.cli import service_cli
from services.kit.http.app import serve
from services.kit.messaging.dead_letter_cli import Letters, letters_in
from services.kit.messaging.dead_letter_replay import ReplayHandler
from services.kit.settings import load


def run() -> None:
    settings = load(GatewaySettings)
    serve(gateway_app(settings), settings)


def letters() -> AbstractAsyncContextManager[Letters]:
    """What the gateway could not read of what became of its students' commands."""
    settings = load(GatewaySettings)
    # Which departments there are does not matter to a replay: a dead letter brings its topic along.
    router = gateway_router(settings.topics, ())
    return letters_in(settings.database, GATEWAY, lambda _: {router.group: ReplayHandler(router.subscription.apply)})


cli = service_cli("The gateway", serve=run, letters=letters)

if __name__ == "__main__":
    cli()
