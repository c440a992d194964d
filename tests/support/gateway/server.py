"""A gateway on a real port with real databases, a read model to fill, and an identity provider to sign in at."""

import asyncio
import json
import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import structlog
from fastapi import FastAPI
from pydantic import SecretStr

from deploy.local.http_clients import KEPT_BRIEFLY, local_client
from deploy.local.identity.app import Provider, create_app
from deploy.local.identity.pages import Pages
from deploy.local.identity.people import Person
from deploy.local.identity.settings import Client
from deploy.local.installation import Installation
from schemas.flows import GATEWAY
from services.gateway.app import gateway_app
from services.gateway.settings import GatewaySettings
from services.gateway.web.cookies import SESSION_COOKIE
from services.kit.observability import telemetry
from tests.support.servers.live_server import live_server, live_servers

Headers = Mapping[str, str] | None
Fields = Mapping[str, str | list[str]] | None
"""A name with several values has a list."""
SECRET = "a secret of the test"
NO_BROKER = "127.0.0.1:9"
"""Nothing listens there: what is asked waits in the outbox, where a test can look at it."""


@dataclass(frozen=True)
class RunningGateway:
    """A running gateway. `provider` is where people sign in."""

    address: str
    database: str
    read_model: str
    people: tuple[Person, ...]
    operator_address: str = ""
    issuer: str = ""


@contextmanager
def running_gateway(
    database: str, read_model: str, people: tuple[Person, ...], **changes: Any
) -> Iterator[RunningGateway]:
    """A gateway and its identity provider, both on ports of their own, that say nothing.

    They have no broker, would say so all the time, and a traceback in structlog's own colours takes its loop seconds.
    """
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    # Each must know the other's address, so the provider moves into its server once the gateway has one.
    provider = FastAPI(openapi_url=None)
    with live_server(lambda _: provider) as issuer:

        def app(address: str) -> FastAPI:
            client = Client(
                client_id="gateway",
                client_secret=SecretStr(SECRET),
                redirect_uris=(f"{address}/sign-in/callback",),
                post_logout_redirect_uris=(f"{address}/signed-out",),
                backchannel_logout_uri=f"{address}/sign-in/logout-token",
            )
            provider.mount("/", create_app(Provider(issuer, people, (client,), Pages("示例大学", "Example"))))
            given: dict[str, Any] = {
                "kafka": NO_BROKER,
                "database": database,
                "read_model": read_model,
                "public_url": address,
                "openid_issuer": issuer,
                "openid_client_id": "gateway",
                "openid_client_secret": SECRET,
                **changes,
            }
            return gateway_app(GatewaySettings(**given), traced=telemetry.build("test", exporters=[]))

        try:
            with live_servers(app, operator_port=0, trusted_proxies=changes.get("trusted_proxies", "")) as (
                address,
                operator_address,
            ):
                yield RunningGateway(address, database, read_model, people, operator_address, issuer)
        finally:
            structlog.reset_defaults()


class BrowserClient:
    """An HTTP client that keeps cookies as a browser does on this machine: httpx drops Secure ones over plain http."""

    def __init__(
        self, gateway: RunningGateway, language: str = "zh-CN", *, limits: httpx.Limits = KEPT_BRIEFLY
    ) -> None:
        self.gateway = gateway
        self.cookies: dict[str, str] = {}
        self.set_cookies: list[str] = []
        self._http = local_client(gateway.address, timeout=20, limits=limits)
        self._headers = {"accept-language": language, "sec-fetch-site": "same-origin"}

    async def close(self) -> None:
        await self._http.aclose()

    def headers(self, more: Headers = None) -> dict[str, str]:
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        return {**self._headers, "cookie": cookies, **(more or {})}

    async def get(self, address: str, headers: Headers = None) -> httpx.Response:
        return self._kept(await self._http.get(address, headers=self.headers(headers)))

    async def post(self, address: str, data: Fields = None, headers: Headers = None) -> httpx.Response:
        return self._kept(await self._http.post(address, data=data or {}, headers=self.headers(headers)))

    async def post_file(self, address: str, data: Mapping[str, str], file: tuple[str, bytes, str]) -> httpx.Response:
        """`file`: name, content and media type; its field is `file`."""
        return self._kept(await self._http.post(address, data=data, files={"file": file}, headers=self.headers()))

    async def post_json(self, address: str, body: Any, headers: Headers = None) -> httpx.Response:
        return self._kept(await self._http.post(address, json=body, headers=self.headers(headers)))

    async def put(self, address: str, body: Any, headers: Headers = None) -> httpx.Response:
        return self._kept(await self._http.put(address, json=body, headers=self.headers(headers)))

    def stream(self, address: str) -> Any:
        return self._http.stream("GET", address, headers=self.headers({"accept": "text/event-stream"}))

    async def csrf(self) -> str:
        token: str = (await self.get("/api/v1/me")).json()["csrf"]
        return token

    async def sign_in(self, person: Person, place: str = "case") -> httpx.Response:
        """The whole way: the gateway, the provider's page, its button, the callback."""
        start = await self.get(f"/sign-in?next={place}")
        assert start.status_code == 303, start.text
        url = start.headers["location"]
        async with local_client() as there:
            page = await there.get(url)
            fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page.text))
            origin = f"{urlsplit(url).scheme}://{urlsplit(url).netloc}"
            chosen = await there.post(f"{origin}/sign-in", data={**fields, "sub": person.sub})
        query = parse_qs(urlsplit(chosen.headers["location"]).query)
        return await self.get(f"/sign-in/callback?code={query['code'][0]}&state={query['state'][0]}")

    def _kept(self, response: httpx.Response) -> httpx.Response:
        for line in response.headers.get_list("set-cookie"):
            self.set_cookies.append(line)
            name, _, value = line.split(";")[0].partition("=")
            value = value.strip('"')
            if value and "Max-Age=0" not in line:
                self.cookies[name] = value
            else:
                self.cookies.pop(name, None)
        return response

    @property
    def session_id(self) -> str | None:
        return self.cookies.get(SESSION_COOKIE)


async def sign_in(installation: Installation, person: Person) -> BrowserClient:
    """A browser in which `person` has signed in at the installation's identity provider."""
    gateway = RunningGateway(installation.address(GATEWAY), "", "", tuple(installation.people))
    browser = BrowserClient(gateway, limits=installation.limits)
    answer = await browser.sign_in(person)
    assert answer.status_code == 303, answer.text
    return browser


class Events:
    """A stream of Server-Sent Events read one at a time."""

    def __init__(self, response: httpx.Response) -> None:
        self._lines = response.aiter_lines()

    async def next(self, timeout_s: float = 20) -> tuple[str, Any]:
        """The next event's name and data."""
        async with asyncio.timeout(timeout_s):
            name, data = "message", ""
            async for line in self._lines:
                if line.startswith("event:"):
                    name = line[6:].strip()
                elif line.startswith("data:"):
                    data += line[5:].strip()
                elif not line and data:
                    return name, json.loads(data)
        raise EOFError("the stream ended")
