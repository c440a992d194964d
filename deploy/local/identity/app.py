"""The provider over HTTP."""

from collections.abc import Awaitable, Callable
from typing import Any

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import InvalidRequestError
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

from deploy.local.http_clients import local_client
from deploy.local.identity.pages import Pages
from deploy.local.identity.people import Person
from deploy.local.identity.server import ProviderRequest, Server, discovery_document
from deploy.local.identity.settings import Client

MAX_FIELDS = 40


class Provider:
    def __init__(self, issuer: str, people: tuple[Person, ...], clients: tuple[Client, ...], pages: Pages) -> None:
        self.issuer = issuer
        self.people = people
        self.pages = pages
        self.server = Server(issuer, people, clients)

    async def authorize(self, request: Request) -> Response:
        """Searches (`q`) by POST, so that no name is in a URL."""
        oauth_request = await self._read(request)
        search = oauth_request.payload.data.pop("q", "")
        grant = self.server.get_consent_grant(oauth_request)
        return self.pages.sign_in(grant.redirect_uri, oauth_request.payload.data, self.people, search)

    async def sign_in(self, request: Request) -> Response:
        oauth_request = await self._read(request)
        grant = self.server.get_consent_grant(oauth_request)
        person = self.server.people.get(oauth_request.payload.data.get("sub", ""))
        if person is None:
            raise InvalidRequestError("choose a person from the list")
        response: Response = self.server.create_authorization_response(oauth_request, person, grant)
        return response

    async def token(self, request: Request) -> Response:
        response: Response = self.server.create_token_response(await self._read(request))
        return response

    async def logout(self, request: Request) -> Response:
        """RP-initiated."""
        ending = self.server.validate_endpoint_request("end_session", await self._read(request))
        response: Response | None = self.server.create_endpoint_response("end_session", ending)
        return response or self.pages.signed_out()

    async def sign_out_everywhere(self, request: Request) -> Response:
        """As an administrator does, or as the account is closed: every client is told (`sub` in the form)."""
        person = self.server.people.get((await _parameters(request)).get("sub", ""))
        if person is None:
            raise InvalidRequestError("nobody has this subject")
        self.server.forget(lambda one: one.sub == person.sub)
        statuses = {}
        async with local_client(timeout=5) as http:
            for client in self.server.clients.values():
                if client.backchannel_logout_uri is not None:
                    form = {"logout_token": self.server.logout_token(client, person)}
                    answer = await http.post(client.backchannel_logout_uri, data=form)
                    statuses[client.client_id] = answer.status_code
        return JSONResponse(statuses)

    def refused(self, request: Request, error: Exception) -> Response:
        """Errors go to the client: in the token response, or by the browser if its address can be trusted."""
        # Authlib raises ValueError where a value does not fit into an error's description (RFC 6749 §5.2).
        refusal: Any = error if isinstance(error, OAuth2Error) else InvalidRequestError("a value cannot be read")
        if refusal.redirect_uri or request.url.path == "/token":
            response: Response = self.server.handle_error_response(None, refusal)
            return response
        return self.pages.refused(refusal.description or refusal.error)

    async def _read(self, request: Request) -> ProviderRequest:
        parameters = await _parameters(request)
        # The issuer's own scheme and host, which a proxy in front may have replaced.
        return ProviderRequest(request.method, self.issuer + request.url.path, parameters, request.headers)


async def _parameters(request: Request) -> dict[str, str]:
    """Each given once."""
    form = await request.form(max_fields=MAX_FIELDS) if request.method == "POST" else request.query_params
    parameters = {name: value for name, value in form.multi_items() if isinstance(value, str)}
    if len(parameters) != len(form.multi_items()):
        raise InvalidRequestError("a parameter is given twice or is no text")
    return parameters


def create_app(provider: Provider) -> FastAPI:
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.add_api_route("/", provider.pages.front, methods=["GET"], response_model=None)
    app.add_api_route("/authorize", provider.authorize, methods=["GET", "POST"], response_model=None)
    app.add_api_route("/sign-in", provider.sign_in, methods=["POST"], response_model=None)
    app.add_api_route("/token", provider.token, methods=["POST"], response_model=None)
    app.add_api_route("/logout", provider.logout, methods=["GET", "POST"], response_model=None)
    app.add_api_route("/sign-out-everywhere", provider.sign_out_everywhere, methods=["POST"], response_model=None)
    app.add_api_route("/style.css", provider.pages.style, methods=["GET"], response_model=None)
    app.add_api_route("/jwks", lambda: provider.server.keys.as_dict(private=False))
    app.add_api_route("/.well-known/openid-configuration", lambda: discovery_document(provider.issuer))
    app.add_api_route("/health/live", lambda: {"status": "alive"})
    app.add_exception_handler(OAuth2Error, provider.refused)
    app.add_exception_handler(ValueError, provider.refused)

    @app.middleware("http")
    async def headers(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        response = await call_next(request)
        response.headers.setdefault("Cache-Control", "no-store")
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response

    return app
