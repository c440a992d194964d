"""A browser without scripts, at the gateway and at a provider: cookies by host and port, redirects, forms."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Self
from urllib.parse import urljoin, urlsplit

import httpx

from deploy.local.http_clients import local_client

TIMEOUT_S = 120


@dataclass
class Form:
    method: str
    action: str
    name: str
    fields: dict[str, str] = field(default_factory=dict)
    passwords: list[str] = field(default_factory=list)


class _Forms(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[Form] = []
        self._open = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.found.append(Form(given.get("method", "get").lower(), given.get("action", ""), given.get("id", "")))
            self._open = True
        elif tag == "input" and self._open and given.get("name"):
            if given.get("type") == "password":
                self.found[-1].passwords.append(given["name"])
            elif given.get("type", "text") in ("hidden", "text", "email"):
                self.found[-1].fields[given["name"]] = given.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        self._open = self._open and tag != "form"


@dataclass
class Page:
    """What the browser shows at the end of all redirects."""

    response: httpx.Response
    forms: list[Form]

    @property
    def url(self) -> str:
        return str(self.response.url)

    @property
    def path(self) -> str:
        return urlsplit(self.url).path

    @property
    def status(self) -> int:
        return self.response.status_code

    @property
    def text(self) -> str:
        return self.response.text

    @property
    def asks_for_a_password(self) -> bool:
        return any(form.passwords for form in self.forms)


class WebBrowser:
    """httpx drops Secure cookies over plain http, where a browser keeps them on this machine; so they are kept here."""

    def __init__(self, gateway: str) -> None:
        self.gateway = gateway
        self.visited: list[str] = []
        self.stops_at = ""
        """A part of an address to which no redirect is followed."""
        self._cookies: dict[str, dict[str, str]] = {}
        self._http = local_client(timeout=TIMEOUT_S)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def open(self, address: str) -> Page:
        """Of the gateway, or anywhere."""
        return await self._request("GET", urljoin(self.gateway, address))

    async def send(self, page: Page, form: Form, **filled: str) -> Page:
        address, fields = urljoin(page.url, form.action), {**form.fields, **filled}
        if form.method == "post":
            return await self._request("POST", address, fields)
        return await self._request("GET", str(httpx.URL(address, params=fields)))

    async def sign_in(self, username: str, password: str | None = None, place: str = "case") -> Page:
        """The whole way, with the password where the provider asks for it."""
        page = await self.open(f"/sign-in?next={place}")
        if not page.asks_for_a_password:
            return page
        form = next(form for form in page.forms if form.passwords)
        return await self.send(
            page, form, username=username, password=f"password of {username}" if password is None else password
        )

    async def sign_out(self) -> Page:
        """The button of a page, and the form that a script would send from the next one."""
        page = await self.open("/sessions")
        left = await self.send(page, next(form for form in page.forms if form.action == "/sign-out"))
        return await self.leave(left)

    async def leave(self, page: Page) -> Page:
        """To the provider, by the form of the page."""
        return await self.send(page, next(form for form in page.forms if form.action.startswith("http")))

    async def is_in(self) -> bool:
        return (await self.open("/api/v1/me")).status != 401

    async def _request(self, method: str, url: str, data: dict[str, str] | None = None) -> Page:
        for _ in range(15):
            self.visited.append(url)
            cookies = self._cookies.setdefault(urlsplit(url).netloc, {})
            headers = {"cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())}
            headers |= {"accept-language": "zh-CN", "accept": "text/html,*/*"}
            response = await self._http.request(method, url, data=data, headers=headers)
            self._keep(response, cookies)
            if not response.is_redirect or (self.stops_at and self.stops_at in response.headers["location"]):
                return Page(response, _Forms(response.text).found)
            method, data = ("GET", None) if response.status_code in (301, 302, 303) else (method, data)
            url = urljoin(url, response.headers["location"])
        raise AssertionError("redirected for ever")

    @staticmethod
    def _keep(response: httpx.Response, cookies: dict[str, str]) -> None:
        for line in response.headers.get_list("set-cookie"):
            name, _, value = line.split(";")[0].partition("=")
            if value and "max-age=0" not in line.lower():
                cookies[name] = value
            else:
                cookies.pop(name, None)
