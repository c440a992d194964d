"""The demonstration's identity provider over real HTTP, with the gateway's own OpenID client."""

import asyncio
import json
import secrets
from base64 import urlsafe_b64decode
from time import time
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import httpx
import pytest
from authlib.oidc import rpinitiated
from authlib.oidc.discovery import OpenIDProviderMetadata

from deploy.local.identity import server
from services.gateway.identity.errors import ProviderUnavailable, SignInRefused
from services.kit.names import CERTIFICATE_DESK
from tests.support.signing_in import (
    AFTER_LOGOUT,
    ATTEMPT,
    CALLBACK,
    CLIENT,
    SECRET,
    STAFF,
    STUDENT,
    VERIFIER,
    choose,
    client_of,
    code_for,
)


@pytest.mark.parametrize("authentication", ["client_secret_basic", "client_secret_post"])
async def test_a_student_signs_in_with_one_click(http: httpx.AsyncClient, issuer: str, authentication: str) -> None:
    client = client_of(http, issuer, client_authentication=authentication)
    response = await choose(http, await client.sign_in_url(ATTEMPT), STUDENT)
    address, _, query = response.headers["location"].partition("?")
    answer = parse_qs(query)
    assert (address, answer["state"]) == (CALLBACK, ["s-1"])
    identity = await client.exchange(answer["code"][0], VERIFIER, "n-1", CALLBACK)
    assert (identity.issuer, identity.subject, identity.student_ids) == (issuer, "u-1", ("TS22010001",))
    assert (identity.name, identity.roles) == ("苏木槿", frozenset())


async def test_staff_have_roles_and_no_student_number(http: httpx.AsyncClient, issuer: str) -> None:
    client = client_of(http, issuer)
    identity = await client.exchange(await code_for(http, client, STAFF), VERIFIER, "n-1", CALLBACK)
    assert (identity.student_ids, identity.roles) == ((), frozenset({CERTIFICATE_DESK}))


async def test_a_code_opens_once_even_when_asked_for_twice_at_once(http: httpx.AsyncClient, issuer: str) -> None:
    client = client_of(http, issuer)
    code = await code_for(http, client)
    answers = await asyncio.gather(
        *(client.exchange(code, VERIFIER, "n-1", CALLBACK) for _ in range(5)), return_exceptions=True
    )
    assert sorted(str(answer) for answer in answers if isinstance(answer, SignInRefused)) == ["code_refused"] * 4
    with pytest.raises(SignInRefused, match="code_refused"):
        await client.exchange(code, VERIFIER, "n-1", CALLBACK)


async def test_a_wrong_verifier_is_refused_and_spends_the_code(http: httpx.AsyncClient, issuer: str) -> None:
    client = client_of(http, issuer)
    code = await code_for(http, client)
    for verifier in (secrets.token_urlsafe(48), VERIFIER):
        with pytest.raises(SignInRefused, match="code_refused"):
            await client.exchange(code, verifier, "n-1", CALLBACK)


async def test_a_code_lives_sixty_seconds(
    http: httpx.AsyncClient, issuer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = client_of(http, issuer)
    code = await code_for(http, client)
    monkeypatch.setattr(server, "time", lambda: time() + 60)
    with pytest.raises(SignInRefused, match="code_refused"):
        await client.exchange(code, VERIFIER, "n-1", CALLBACK)


async def test_a_code_is_refused_to_another_client_or_for_another_address(http: httpx.AsyncClient, issuer: str) -> None:
    client = client_of(http, issuer)
    another = client_of(http, issuer, client_id="another", client_secret="other")
    with pytest.raises(SignInRefused, match="code_refused"):
        await another.exchange(await code_for(http, client), VERIFIER, "n-1", CALLBACK)
    with pytest.raises(SignInRefused, match="code_refused"):
        await client.exchange(await code_for(http, client), VERIFIER, "n-1", CALLBACK + "/")


async def test_a_wrong_client_secret_is_the_services_fault_not_the_students(
    http: httpx.AsyncClient, issuer: str
) -> None:
    code = await code_for(http, client_of(http, issuer))
    wrong = client_of(http, issuer, client_secret="wrong")
    with pytest.raises(ProviderUnavailable, match="client_rejected"):
        await wrong.exchange(code, VERIFIER, "n-1", CALLBACK)


async def test_another_sign_ins_nonce_is_refused(http: httpx.AsyncClient, issuer: str) -> None:
    client = client_of(http, issuer)
    with pytest.raises(SignInRefused, match="wrong_nonce"):
        await client.exchange(await code_for(http, client), VERIFIER, "n-2", CALLBACK)


async def request_with(http: httpx.AsyncClient, issuer: str, **changes: Any) -> httpx.Response:
    url = await client_of(http, issuer).sign_in_url(ATTEMPT)
    given = {**dict(parse_qsl(urlsplit(url).query)), **changes}
    return await http.get(
        f"{issuer}/authorize", params={name: value for name, value in given.items() if value is not None}
    )


@pytest.mark.parametrize(
    "redirect_uri",
    [
        *(None, "", CALLBACK + "/", CALLBACK + "?a=b", CALLBACK.replace("https", "http"), CALLBACK.upper()),
        *("https://another.example/", "javascript:alert(1)", 'https://lixiao.example.edu/"校"'),
    ],
)
async def test_an_address_that_is_not_registered_gets_a_page_and_no_redirect(
    http: httpx.AsyncClient, issuer: str, redirect_uri: str | None
) -> None:
    response = await request_with(http, issuer, redirect_uri=redirect_uri)
    assert response.status_code == 400
    assert "location" not in response.headers
    assert "无法登录" in response.text


@pytest.mark.parametrize("wrong", [{"client_id": "nobody"}, {"nonce": ["n-1", "n-2"]}, {"response_type": '"'}])
async def test_a_client_unknown_a_parameter_doubled_or_unreadable_gets_a_page(
    http: httpx.AsyncClient, issuer: str, wrong: dict[str, Any]
) -> None:
    response = await request_with(http, issuer, **wrong)
    assert (response.status_code, response.headers.get("location")) == (400, None)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        *(({"code_challenge": wrong}, "invalid_request") for wrong in (None, "short")),
        *(({"code_challenge_method": wrong}, "invalid_request") for wrong in (None, "plain")),
        *(({"response_type": wrong}, "unsupported_response_type") for wrong in (None, "token", "code id_token")),
        ({"code_challenge": None, "code_challenge_method": None}, "invalid_request"),
        ({"response_mode": "fragment"}, "invalid_request"),
        ({"scope": "profile"}, "invalid_scope"),
        ({"prompt": "none"}, "login_required"),
        ({"request": "e30.e30."}, "request_not_supported"),
        ({"request_uri": "https://another.example/r"}, "request_uri_not_supported"),
    ],
)
async def test_a_request_outside_the_code_flow_with_pkce_goes_back_with_its_error(
    http: httpx.AsyncClient, issuer: str, changes: dict[str, str | None], error: str
) -> None:
    response = await request_with(http, issuer, **changes)
    assert response.status_code == 303
    address, _, query = response.headers["location"].partition("?")
    answer = parse_qs(query)
    assert (address, answer["error"], answer["state"]) == (CALLBACK, [error], ["s-1"])
    assert "code" not in answer


async def test_somebody_who_is_not_in_the_list_cannot_be_chosen(http: httpx.AsyncClient, issuer: str) -> None:
    url = await client_of(http, issuer).sign_in_url(ATTEMPT)
    form = dict(parse_qsl(urlsplit(url).query))
    assert (await http.post(f"{issuer}/sign-in", data={**form, "sub": "u-999"})).status_code == 400
    assert (await http.post(f"{issuer}/sign-in", data=form)).status_code == 400


async def test_the_search_works_without_javascript_and_without_names_in_the_url(
    http: httpx.AsyncClient, issuer: str
) -> None:
    url = await client_of(http, issuer).sign_in_url(ATTEMPT)
    page = (await http.get(url)).text
    assert "<script" not in page
    assert '<form method="post" action="/authorize"' in page
    assert "虚构199号" not in page
    form = dict(parse_qsl(urlsplit(url).query))
    for search in ("虚构199号", " ts22090199 "):
        found = (await http.post(f"{issuer}/authorize", data={**form, "q": search})).text
        assert "虚构199号" in found
        assert "苏木槿" not in found
    nothing = (await http.post(f"{issuer}/authorize", data={**form, "q": '"><b>nobody'})).text
    assert "没有找到" in nothing
    assert "<b>nobody" not in nothing


async def test_pages_load_nothing_from_elsewhere_and_cannot_be_framed(http: httpx.AsyncClient, issuer: str) -> None:
    page = await request_with(http, issuer)
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "form-action 'self' https://lixiao.example.edu;" in policy
    assert (page.headers["cache-control"], page.headers["referrer-policy"]) == ("no-store", "no-referrer")
    style = await http.get(f"{issuer}/style.css")
    assert style.headers["content-type"].startswith("text/css")
    assert "url(" not in style.text


@pytest.mark.parametrize(
    ("form", "status", "error"),
    [
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"grant_type": "authorization_code"}, 400, "invalid_request"),
        ({"grant_type": "authorization_code", "code": "unknown"}, 400, "invalid_grant"),
        ({"grant_type": "authorization_code", "client_secret": "wrong"}, 401, "invalid_client"),
        ({"grant_type": ["authorization_code", "password"]}, 400, "invalid_request"),
    ],
)
async def test_the_token_endpoint_says_what_is_wrong_in_the_standards_words(
    http: httpx.AsyncClient, issuer: str, form: dict[str, Any], status: int, error: str
) -> None:
    sent = {"client_id": CLIENT.client_id, "client_secret": SECRET, **form}
    response = await http.post(f"{issuer}/token", data=sent)
    assert (response.status_code, response.json()["error"]) == (status, error)
    assert response.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("header", "status"),
    [("Basic", 401), ("Basic !!!", 401), ("Basic YWJj", 401), ("Bearer YTpi", 401), ("Basic /w==", 400)],
)
async def test_a_broken_authorization_header_gets_no_token(
    http: httpx.AsyncClient, issuer: str, header: str, status: int
) -> None:
    form = {"grant_type": "authorization_code", "code": "c"}
    response = await http.post(f"{issuer}/token", data=form, headers={"Authorization": header})
    assert response.status_code == status
    assert response.json()["error"] in ("invalid_client", "invalid_request")


async def test_what_is_published_is_what_the_standard_asks(http: httpx.AsyncClient, issuer: str) -> None:
    document = (await http.get(f"{issuer}/.well-known/openid-configuration")).json()
    OpenIDProviderMetadata(document).validate([rpinitiated.OpenIDProviderMetadata])
    assert document["code_challenge_methods_supported"] == ["S256"]


async def test_the_published_keys_have_no_private_part(http: httpx.AsyncClient, issuer: str) -> None:
    keys = (await http.get(f"{issuer}/jwks")).json()["keys"]
    assert [set(key) for key in keys] == [{"kty", "n", "e", "use", "alg", "kid"}]


async def test_sign_out_leads_back_only_to_a_registered_address(http: httpx.AsyncClient, issuer: str) -> None:
    client = client_of(http, issuer)
    form = await client.sign_out_form(AFTER_LOGOUT, "s-3")
    assert form is not None
    assert form.method == "post"
    back = await http.post(form.address, data=form.fields)
    assert (back.status_code, back.headers["location"]) == (303, f"{AFTER_LOGOUT}?state=s-3")
    form = await client.sign_out_form("https://another.example/", "s-3")
    assert form is not None
    stays = await http.post(form.address, data=form.fields)
    assert stays.status_code == 200
    assert "已退出登录" in stays.text


async def test_sign_out_knows_the_client_by_its_own_token_only(http: httpx.AsyncClient, issuer: str) -> None:
    code = await code_for(http, client_of(http, issuer))
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "code_verifier": VERIFIER,
        "redirect_uri": CALLBACK,
        "client_id": CLIENT.client_id,
        "client_secret": SECRET,
    }
    token = (await http.post(f"{issuer}/token", data=form)).json()["id_token"]
    payload = json.loads(urlsafe_b64decode(token.split(".")[1] + "=="))
    assert payload["exp"] - payload["iat"] <= 300
    asked = {"id_token_hint": token, "post_logout_redirect_uri": AFTER_LOGOUT, "state": "s-2"}
    assert (await http.get(f"{issuer}/logout", params=asked)).headers["location"] == f"{AFTER_LOGOUT}?state=s-2"
    forged = {**asked, "id_token_hint": token[:-8] + "AAAAAAAA"}
    refused = await http.get(f"{issuer}/logout", params=forged)
    assert (refused.status_code, refused.headers.get("location")) == (400, None)
