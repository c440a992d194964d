"""The gateway: the only public service. Pages, the JSON twin, live lines, sign-in, and what students ask for."""

from services.gateway.app import gateway_app
from services.gateway.settings import GatewaySettings
from services.kit.settings import load
from services.kit.web import serve


def main() -> None:
    settings = load(GatewaySettings)
    serve(gateway_app(settings), settings)


if __name__ == "__main__":
    main()
