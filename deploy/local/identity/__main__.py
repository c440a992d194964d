"""`python -m deploy.local.identity`: run the demonstration provider."""

import uvicorn
from pydantic import ValidationError

from deploy.local.identity.app import Provider, create_app
from deploy.local.identity.pages import Pages
from deploy.local.identity.people import load_people
from deploy.local.identity.settings import HOST, Settings


def main() -> None:
    try:
        settings = Settings()  # filled from the environment
    except ValidationError as error:
        wrong = "; ".join(f"LIXIAO_IDENTITY_{str(e['loc'][0]).upper()}: {e['msg']}" for e in error.errors())
        raise SystemExit(f"identity provider: {wrong}") from None
    try:
        people = load_people(settings.people)
    except (OSError, ValueError) as error:
        raise SystemExit(f"identity provider: LIXIAO_IDENTITY_PEOPLE ({settings.people}): {error}") from None
    provider = Provider(
        settings.issuer, people, settings.clients, Pages(settings.university_zh, settings.university_en)
    )
    # No access log: it would write codes and states.
    uvicorn.run(
        create_app(provider),
        host=HOST,
        port=settings.port,
        access_log=False,
        log_level="warning",
        server_header=False,
        timeout_graceful_shutdown=2,
    )


if __name__ == "__main__":
    main()
