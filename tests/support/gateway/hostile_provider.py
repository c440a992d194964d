"""An identity provider that a test makes misbehave, or speak as some real ones do, over real HTTP."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from joserfc import jwt
from joserfc.jwk import RSAKey

from services.gateway.identity.errors import ProviderUnavailable, SignInRefused
from services.gateway.identity.oidc.client import OpenIdClient
from services.gateway.identity.oidc.discovery import OpenIdSettings
from services.gateway.identity.provider import Attempt
from tests.support.gateway.server import BrowserClient, RunningGateway, running_gateway
from tests.support.servers.live_server import live_server

KEY = RSAKey.generate_key(2048, {"kid": "k-1", "use": "sig"})
NEXT_KEY = RSAKey.generate_key(2048, {"kid": "k-2", "use": "sig"})
FOREIGN_KEY = RSAKey.generate_key(2048, {"kid": "k-1"})
CALLBACK = "https://lixiao.example.edu/sign-in/callback"
VERIFIER = "v" * 43
ATTEMPT = Attempt(CALLBACK, "s-1", "n-1", VERIFIER)
Claims = dict[str, Any]
Answer = Callable[[], Response]


@dataclass
class Hostile:
    """What the provider does, changed by each test; `asked` counts the requests by path."""

    issuer: str = ""
    metadata: Answer | None = None
    keys: Answer | None = None
    token: Answer | None = None
    userinfo: Answer | None = None
    delay_s: float = 0.0
    asked: Counter[str] = field(default_factory=Counter)
    authorization: str = ""
    """The header of the newest request for userinfo."""
    form: str = ""
    """The body of the newest request for tokens."""

    def claims(self, **changes: Any) -> Claims:
        """Right claims with `changes`; None takes a claim away."""
        now_s = int(time.time())
        right: Claims = {"iss": self.issuer, "sub": "u-1", "aud": "lixiao", "nonce": "n-1"}
        right |= {"iat": now_s, "exp": now_s + 300, "auth_time": now_s}
        return {name: value for name, value in {**right, **changes}.items() if value is not None}

    def signed(self, key: RSAKey = KEY, **changes: Any) -> str:
        return jwt.encode({"alg": "RS256", "kid": key.kid}, self.claims(**changes), key, ["RS256"])

    def documents(self) -> Claims:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/jwks",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "end_session_endpoint": f"{self.issuer}/logout",
        }

    def is_about(self, sub: str) -> None:
        """Whom userinfo speaks of."""
        self.userinfo = lambda: JSONResponse({"sub": sub})

    def behave(self) -> None:
        """Do all as one should, from now on."""
        self.metadata = self.keys = self.token = self.userinfo = None
        self.delay_s = 0.0
        self.asked.clear()


def answer(token: str) -> Answer:
    return lambda: JSONResponse({"access_token": "a", "token_type": "Bearer", "id_token": token})


def public(*keys: RSAKey, named: bool = True) -> Answer:
    """A JWKS of these keys, without their names unless `named`."""
    documents = [key.as_dict(private=False) for key in keys]
    for document in documents if not named else ():
        document.pop("kid", None)
    return lambda: JSONResponse({"keys": documents})


def hostile_app(hostile: Hostile) -> FastAPI:
    app = FastAPI()

    async def respond(request: Request, chosen: Answer | None, usual: Answer) -> Response:
        hostile.asked[request.url.path] += 1
        await asyncio.sleep(hostile.delay_s)
        return (chosen or usual)()

    @app.get("/.well-known/openid-configuration", response_model=None)
    async def metadata(request: Request) -> Response:
        return await respond(request, hostile.metadata, lambda: JSONResponse(hostile.documents()))

    @app.get("/jwks", response_model=None)
    async def jwks(request: Request) -> Response:
        return await respond(request, hostile.keys, public(KEY))

    @app.api_route("/token", methods=["GET", "POST"], response_model=None)
    async def token(request: Request) -> Response:
        hostile.form = (await request.body()).decode()
        return await respond(request, hostile.token, answer(hostile.signed()))

    @app.get("/userinfo", response_model=None)
    async def userinfo(request: Request) -> Response:
        hostile.authorization = request.headers.get("authorization", "")
        return await respond(request, hostile.userinfo, lambda: JSONResponse({"sub": "u-1"}))

    @app.api_route("/elsewhere", methods=["GET", "POST"], response_model=None)
    async def elsewhere(request: Request) -> Response:
        return await respond(request, None, answer(hostile.signed()))

    return app


@contextmanager
def running_provider() -> Iterator[Hostile]:
    """The provider on a port of its own."""
    hostile = Hostile()
    with live_server(lambda _: hostile_app(hostile)) as address:
        hostile.issuer = address
        yield hostile


@contextmanager
def hostile_gateway(database: str, read_model: str, hostile: Hostile) -> Iterator[RunningGateway]:
    """A gateway at which people sign in with this provider, which may keep claims at userinfo."""
    settings = {"openid_issuer": hostile.issuer, "openid_client_id": "lixiao", "openid_userinfo": True}
    with running_gateway(database, read_model, (), **settings) as running:
        yield running


@dataclass
class Time:
    """A monotonic clock that a test moves."""

    now_s: float = 0.0

    def __call__(self) -> float:
        return self.now_s


def client_of(
    http: httpx.AsyncClient, hostile: Hostile, monotonic: Time | None = None, **settings: Any
) -> OpenIdClient:
    given = OpenIdSettings(issuer=hostile.issuer, client_id="lixiao", client_secret="s", **settings)
    return OpenIdClient(http, given, monotonic=monotonic or Time())


async def refused(client: OpenIdClient) -> str:
    """The reason of the refusal; a sign-in that succeeds fails the test."""
    try:
        await client.exchange("c-1", VERIFIER, "n-1", CALLBACK)
    except (SignInRefused, ProviderUnavailable) as refusal:
        caught = refusal
    else:
        pytest.fail("the sign-in succeeded")
    assert str(caught) == caught.reason.value
    assert caught.__cause__ is None
    return caught.reason.value


async def start(browser: BrowserClient, place: str = "case") -> tuple[str, str]:
    """Leave for the provider: the state and the nonce of this sign-in."""
    query = parse_qs(urlsplit((await browser.get(f"/sign-in?next={place}")).headers["location"]).query)
    return query["state"][0], query["nonce"][0]


async def come_back(browser: BrowserClient, hostile: Hostile, state: str, nonce: str, **claims: Any) -> httpx.Response:
    """Return from the provider, which confirms `claims`."""
    if "sub" in claims:
        hostile.is_about(claims["sub"])
    hostile.token = answer(hostile.signed(nonce=nonce, **claims))
    return await browser.get(f"/sign-in/callback?code=c-1&state={state}")


async def sign_in(browser: BrowserClient, hostile: Hostile, place: str = "case", **claims: Any) -> httpx.Response:
    return await come_back(browser, hostile, *(await start(browser, place)), **claims)
