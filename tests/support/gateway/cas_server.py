"""A CAS server that a test makes confirm anybody, or misbehave, over real HTTP."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import escape
from secrets import token_hex
from urllib.parse import parse_qs, urlsplit

import httpx
from fastapi import FastAPI, Request, Response

from tests.support.gateway.server import BrowserClient, RunningGateway, running_gateway
from tests.support.servers.live_server import live_server

NAMESPACE = "http://www.yale.edu/tp/cas"
LOGOUT = (
    '<samlp:LogoutRequest xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" ID="LR-1" Version="2.0">'
    "<samlp:SessionIndex>{}</samlp:SessionIndex></samlp:LogoutRequest>"
)


@dataclass
class CasServer:
    """`tickets`: ticket → service and content of a success, each for one validation."""

    address: str = ""
    tickets: dict[str, tuple[str, str]] = field(default_factory=dict)
    answer: Response | None = None
    delay_s: float = 0.0
    asked: list[dict[str, str]] = field(default_factory=list)
    """The queries of all validations."""

    def ticket(self, service: str, user: str, **attributes: str | list[str]) -> str:
        """A new one for this service, as after a password."""
        values = [
            (name, one) for name, many in attributes.items() for one in ([many] if isinstance(many, str) else many)
        ]
        shown = "".join(f"<cas:{name}>{escape(value)}</cas:{name}>" for name, value in values)
        content = f"<cas:user>{escape(user)}</cas:user><cas:attributes>{shown}</cas:attributes>"
        ticket = f"ST-1-{token_hex(12)}"
        self.tickets[ticket] = service, f"<cas:authenticationSuccess>{content}</cas:authenticationSuccess>"
        return ticket

    def behave(self) -> None:
        self.answer, self.delay_s = None, 0.0
        self.asked.clear()

    async def validate(self, request: Request) -> Response:
        query = dict(request.query_params)
        self.asked.append(query)
        await asyncio.sleep(self.delay_s)
        service, content = self.tickets.pop(query["ticket"], ("", ""))
        if service != query["service"]:
            content = "<cas:authenticationFailure code='INVALID_TICKET'>not known</cas:authenticationFailure>"
        document = f"<cas:serviceResponse xmlns:cas='{NAMESPACE}'>{content}</cas:serviceResponse>"
        return self.answer or Response(document, media_type="application/xml")


@contextmanager
def running_cas() -> Iterator[CasServer]:
    cas, app = CasServer(), FastAPI(openapi_url=None)
    app.add_api_route("/cas/p3/serviceValidate", cas.validate, methods=["GET"], response_model=None)
    with live_server(lambda _: app) as address:
        cas.address = f"{address}/cas"
        yield cas


@contextmanager
def cas_gateway(database: str, read_model: str, cas: CasServer) -> Iterator[RunningGateway]:
    with running_gateway(database, read_model, (), sign_in="cas", cas_server=cas.address) as running:
        yield running


async def start(browser: BrowserClient, place: str = "case") -> str:
    """Leave for the server: the service that it is to send the browser back to."""
    left = await browser.get(f"/sign-in?next={place}")
    return parse_qs(urlsplit(left.headers["location"]).query)["service"][0]


async def come_back(browser: BrowserClient, service: str, ticket: str) -> httpx.Response:
    return await browser.get(f"{service.removeprefix(browser.gateway.address)}&ticket={ticket}")


async def sign_in(
    browser: BrowserClient, cas: CasServer, user: str, place: str = "case", **attributes: str | list[str]
) -> tuple[httpx.Response, str]:
    """The answer, and the ticket of the sign-in."""
    service = await start(browser, place)
    ticket = cas.ticket(service, user, **attributes)
    return await come_back(browser, service, ticket), ticket
