"""The demonstration's provider of identities in Keycloak's place, in a container: reached by the proxy alone."""

import uvicorn

from deploy.local.identity.app import Provider, create_app
from deploy.local.identity.pages import Pages
from deploy.local.identity.people import load_people
from deploy.local.identity.settings import Settings

settings = Settings()
pages = Pages(settings.university_zh, settings.university_en)
app = create_app(Provider(settings.issuer, load_people(settings.people), settings.clients, pages))
uvicorn.run(app, host="0.0.0.0", port=settings.port, access_log=False, log_level="warning")
