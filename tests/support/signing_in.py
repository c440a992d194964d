"""Clients and people of the demonstration's identity provider."""

import re
import secrets
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
from pydantic import SecretStr

from deploy.local.identity.people import Person
from deploy.local.identity.settings import Client
from services.gateway.identity.oidc.client import OpenIdClient
from services.gateway.identity.oidc.discovery import OpenIdSettings
from services.gateway.identity.provider import Attempt
from services.kit.names import CERTIFICATE_DESK

CALLBACK = "https://lixiao.example.edu/sign-in/callback"
AFTER_LOGOUT = "https://lixiao.example.edu/"
SECRET = "a secret: with +colons & such%41"
CLIENT = Client(
    client_id="lixiao gateway",
    client_secret=SecretStr(SECRET),
    redirect_uris=(CALLBACK,),
    post_logout_redirect_uris=(AFTER_LOGOUT,),
)
STUDENT = Person(sub="u-1", name="苏木槿", student_id="TS22010001", situation="nearly-clear")
STAFF = Person(sub="u-2", name="方石", roles=(CERTIFICATE_DESK,), situation="certificate-desk")
COHORT = tuple(Person(sub=f"c-{n}", name=f"虚构{n}号", student_id=f"TS2209{n:04}") for n in range(200))
VERIFIER = secrets.token_urlsafe(48)
ATTEMPT = Attempt(CALLBACK, "s-1", "n-1", VERIFIER)


def client_of(http: httpx.AsyncClient, issuer: str, **changes: Any) -> OpenIdClient:
    given: dict[str, Any] = {"client_id": CLIENT.client_id, "client_secret": SECRET, **changes}
    return OpenIdClient(http, OpenIdSettings(issuer=issuer, **given))


async def choose(http: httpx.AsyncClient, url: str, person: Person) -> httpx.Response:
    """Open the sign-in page, press the person's button with the page's own hidden fields."""
    page = await http.get(url)
    assert page.status_code == 200, page.text
    assert f'value="{person.sub}"' in page.text
    fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page.text))
    action = f"{urlsplit(url).scheme}://{urlsplit(url).netloc}/sign-in"
    return await http.post(action, data={**fields, "sub": person.sub})


async def code_for(http: httpx.AsyncClient, client: OpenIdClient, person: Person = STUDENT) -> str:
    response = await choose(http, await client.sign_in_url(ATTEMPT), person)
    assert response.status_code == 303
    return parse_qs(urlsplit(response.headers["location"]).query)["code"][0]
