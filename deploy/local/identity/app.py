"""The provider's HTTP side: sign-in page, token endpoint, discovery, keys, sign-out."""

import time
from base64 import b64decode
from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import parse_qsl, unquote_plus

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse

from deploy.local.identity.codes import CodeBook, Grant
from deploy.local.identity.pages import Pages
from deploy.local.identity.people import Person
from deploy.local.identity.protocol import (
    AuthorizationRequest,
    RefusedOnPage,
    RefusedToClient,
    discovery_document,
    id_token_claims,
    read_authorization,
    redirect_to,
    token_error,
)
from deploy.local.identity.settings import Client
from deploy.local.identity.signing import SigningKey

BODY_BYTES_MAX = 16_384
FIELDS_MAX = 40
FORM_TYPE = "application/x-www-form-urlencoded"
Pairs = list[tuple[str, str]]


class Provider:
    """Everything one run of the provider knows; handlers are its methods, `create_app` is their table."""

    def __init__(
        self,
        issuer: str,
        people: tuple[Person, ...],
        clients: tuple[Client, ...],
        pages: Pages,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.issuer = issuer
        self.people = people
        self.people_by_sub = {person.sub: person for person in people}
        self.clients = {client.client_id: client for client in clients}
        self.pages = pages
        self.clock = clock
        self.codes = CodeBook(clock)
        self.key = SigningKey()

    async def authorize(self, request: Request) -> Response:
        """Show the sign-in page; `q` narrows it. The page searches by POST, so that no name stands in a URL."""
        pairs = await _pairs(request)
        asked = read_authorization([pair for pair in pairs if pair[0] != "q"], self.clients)
        search = next((value for name, value in pairs if name == "q"), "")
        return self.pages.sign_in(asked, self.people, search)

    async def sign_in(self, request: Request) -> Response:
        """Take the choice made on the page and send the browser back with a code."""
        pairs = await _pairs(request)
        asked = read_authorization([pair for pair in pairs if pair[0] != "sub"], self.clients)
        person = self.people_by_sub.get(next((value for name, value in pairs if name == "sub"), ""))
        if person is None:
            raise RefusedOnPage("choose somebody from the list")
        code = self.codes.issue(self._grant(asked, person))
        return RedirectResponse(redirect_to(asked.redirect_uri, code=code, state=asked.state), status_code=303)

    def _grant(self, asked: AuthorizationRequest, person: Person) -> Grant:
        return Grant(
            client_id=asked.client_id,
            redirect_uri=asked.redirect_uri,
            code_challenge=asked.code_challenge,
            nonce=asked.nonce,
            sub=person.sub,
            signed_in_at_s=int(self.clock()),
        )

    async def token(self, request: Request) -> Response:
        """Exchange a code. Any failed attempt spends the code."""
        pairs = await _pairs(request)
        form = dict(pairs)
        if len(form) != len(pairs):
            return _oauth_error(400, "invalid_request")
        client = self._authenticated(request.headers.get("authorization"), form)
        if client is None:
            return _oauth_error(401, "invalid_client")
        if form.get("grant_type") != "authorization_code":
            return _oauth_error(400, "unsupported_grant_type")
        grant = self.codes.redeem(form.get("code", ""))
        error = token_error(grant, client.client_id, form.get("redirect_uri", ""), form.get("code_verifier", ""))
        if grant is None or error is not None:
            return _oauth_error(400, error or "invalid_grant")
        claims = id_token_claims(self.people_by_sub[grant.sub], grant, self.issuer, int(self.clock()))
        return JSONResponse(self._token_response(claims))

    def _token_response(self, claims: dict[str, object]) -> dict[str, object]:
        # OAuth wants an access token; here it opens nothing, and is not kept.
        return {"access_token": "none", "token_type": "Bearer", "expires_in": 0, "id_token": self.key.sign(claims)}

    def _authenticated(self, authorization: str | None, form: Mapping[str, str]) -> Client | None:
        client_id, secret = form.get("client_id", ""), form.get("client_secret", "")
        if authorization is not None:
            if "client_secret" in form or (basic := _basic(authorization)) is None:
                return None
            client_id, secret = basic
        client = self.clients.get(client_id)
        return client if client is not None and client.secret_is(secret) else None

    async def logout(self, request: Request) -> Response:
        """RP-initiated logout. No session is kept here, so all there is to do is to send the browser on, or say so."""
        form = dict(await _pairs(request))
        client_id = form.get("client_id") or self.key.audience_of(form.get("id_token_hint", ""))
        client = self.clients.get(client_id or "")
        address = form.get("post_logout_redirect_uri")
        if client is not None and address is not None and address in client.post_logout_redirect_uris:
            return RedirectResponse(redirect_to(address, state=form.get("state")), status_code=303)
        return self.pages.signed_out()


async def _pairs(request: Request) -> Pairs:
    """Decoded parameters of a GET's query or a POST's form, both bounded. Raises `RefusedOnPage`."""
    text = request.url.query
    if request.method == "POST":
        if request.headers.get("content-type", "").split(";")[0].strip().lower() != FORM_TYPE:
            raise RefusedOnPage("the body must be a form")
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > BODY_BYTES_MAX:
                raise RefusedOnPage("the form is too large")
        text = body.decode("utf-8", "replace")
    try:
        return parse_qsl(text, keep_blank_values=True, max_num_fields=FIELDS_MAX)
    except ValueError:
        raise RefusedOnPage("too many parameters") from None


def _basic(authorization: str) -> tuple[str, str] | None:
    """Client id and secret of an HTTP Basic header, each form-decoded (RFC 6749 §2.3.1), or None."""
    scheme, _, encoded = authorization.partition(" ")
    try:
        client_id, colon, secret = b64decode(encoded, validate=True).decode("utf-8").partition(":")
    except ValueError:
        return None
    return (unquote_plus(client_id), unquote_plus(secret)) if scheme.lower() == "basic" and colon else None


def _oauth_error(status: int, error: str) -> Response:
    headers = {"WWW-Authenticate": 'Basic realm="token"'} if status == 401 else {}
    return JSONResponse({"error": error}, status_code=status, headers=headers)


def create_app(provider: Provider) -> FastAPI:
    """The provider as an ASGI application."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.add_api_route("/", provider.pages.front, methods=["GET"], response_model=None)
    app.add_api_route("/authorize", provider.authorize, methods=["GET", "POST"], response_model=None)
    app.add_api_route("/sign-in", provider.sign_in, methods=["POST"], response_model=None)
    app.add_api_route("/token", provider.token, methods=["POST"], response_model=None)
    app.add_api_route("/logout", provider.logout, methods=["GET", "POST"], response_model=None)
    app.add_api_route("/style.css", provider.pages.style, methods=["GET"], response_model=None)
    app.add_api_route("/jwks", provider.key.public_set, methods=["GET"])
    app.add_api_route("/.well-known/openid-configuration", lambda: discovery_document(provider.issuer))
    app.add_api_route("/health/live", lambda: {"status": "alive"})

    @app.exception_handler(RefusedOnPage)
    async def on_page(request: Request, refusal: Exception) -> Response:
        if request.url.path == "/token":
            return _oauth_error(400, "invalid_request")
        return provider.pages.refused(str(refusal))

    @app.exception_handler(RefusedToClient)
    async def to_client(_: Request, refusal: Exception) -> Response:
        assert isinstance(refusal, RefusedToClient)
        return RedirectResponse(refusal.location, status_code=303)

    @app.middleware("http")
    async def headers(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        response = await call_next(request)
        response.headers.setdefault("Cache-Control", "no-store")
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response

    return app
