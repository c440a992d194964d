"""The gateway, the only public service."""

from contextlib import AbstractAsyncContextManager

from schemas.flows import GATEWAY
from services.gateway.app import gateway_app
from services.gateway.cli.installation import status, trace
from services.gateway.cli.sessions import sessions
from services.gateway.migration_folders import GATEWAY_FOLDERS
from services.gateway.settings import GatewaySettings
from services.gateway.tables.subscriptions import gateway_router
from services.kit.cli import service_cli
from services.kit.http.serving.server import serve
from services.kit.manifests import discover
from services.kit.messaging.dead_letters.actions import ReplayHandler
from services.kit.messaging.dead_letters.cli import DeadLetterStore, dead_letters_of
from services.kit.settings import load, reported
from services.kit.signing.configured import verifier_of


def run() -> None:
    settings = load(GatewaySettings)
    with reported():
        app = gateway_app(settings)
    serve(app, settings)


def open_dead_letters() -> AbstractAsyncContextManager[DeadLetterStore]:
    settings = load(GatewaySettings)
    departments = discover(settings.services_folder)
    router = gateway_router(settings.topics, departments, verify=verifier_of(settings, departments))
    return dead_letters_of(
        settings.database, GATEWAY, lambda _: {router.group: ReplayHandler(router.subscription.apply)}
    )


cli = service_cli(GATEWAY, "The gateway", serve=run, dead_letters=open_dead_letters, migrations=GATEWAY_FOLDERS)
cli.add_typer(sessions, name="sessions")
cli.command("status")(status)
cli.command("trace")(trace)

if __name__ == "__main__":
    cli()
