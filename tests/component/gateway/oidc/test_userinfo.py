"""Claims at the userinfo endpoint: asked for by configuration, about the person of the ID token and nobody else."""

from typing import Any

import httpx
import pytest
from fastapi import Response
from fastapi.responses import JSONResponse, RedirectResponse

from services.gateway.identity.http import MAX_RESPONSE_BYTES
from services.gateway.identity.identity import Identity
from services.gateway.identity.oidc.userinfo import MAX_ACCESS_TOKEN
from tests.support.gateway.hostile_provider import CALLBACK, VERIFIER, Answer, Hostile, client_of, refused

THERE: dict[str, Any] = {"sub": "u-1", "student_id": "TS22010001", "name": "苏木槿", "roles": ["certificate-desk"]}


async def exchanged(http: httpx.AsyncClient, hostile: Hostile, **settings: Any) -> Identity:
    return await client_of(http, hostile, **settings).exchange("c-1", VERIFIER, "n-1", CALLBACK)


async def test_claims_that_are_only_at_userinfo_are_read_there(http: httpx.AsyncClient, hostile: Hostile) -> None:
    hostile.userinfo = lambda: JSONResponse(THERE)
    identity = await exchanged(http, hostile, userinfo=True)
    assert (identity.student_ids, identity.name, identity.roles) == (
        ("TS22010001",),
        "苏木槿",
        frozenset({"certificate-desk"}),
    )
    assert hostile.authorization == "Bearer a"
    assert hostile.asked["/userinfo"] == 1


async def test_userinfo_is_not_asked_unless_it_is_set(http: httpx.AsyncClient, hostile: Hostile) -> None:
    hostile.userinfo = lambda: JSONResponse(THERE)
    assert (await exchanged(http, hostile)).student_ids == ()
    assert hostile.asked["/userinfo"] == 0


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (lambda: JSONResponse({**THERE, "sub": "u-2"}), "wrong_subject"),
        (lambda: JSONResponse({"student_id": "TS22010001"}), "wrong_subject"),
        (lambda: JSONResponse({**THERE, "student_id": 1.5}), "claim_malformed"),
        (lambda: Response("e30.e30.e30", media_type="application/jwt"), "signed_response"),
        (lambda: Response(b'{"sub": "' + b"x" * MAX_RESPONSE_BYTES + b'"}'), "too_large"),
        (lambda: JSONResponse({"error": "invalid_token"}, 401), "bad_status"),
        (lambda: RedirectResponse("/elsewhere", 307), "redirected"),
        (lambda: JSONResponse([THERE]), "not_json"),
    ],
)
async def test_userinfo_that_is_not_plainly_about_this_person_signs_nobody_in(
    http: httpx.AsyncClient, hostile: Hostile, bad: Answer, reason: str
) -> None:
    hostile.userinfo = bad
    assert await refused(client_of(http, hostile, userinfo=True)) == reason
    assert hostile.asked["/elsewhere"] == 0


@pytest.mark.parametrize("access_token", [None, 7, "", "a b", "a\r\nX: y", "é", "a" * (MAX_ACCESS_TOKEN + 1)])
async def test_an_access_token_that_cannot_be_sent_is_not_sent(
    http: httpx.AsyncClient, hostile: Hostile, access_token: object
) -> None:
    token = {"access_token": access_token, "token_type": "Bearer", "id_token": hostile.signed()}
    hostile.token = lambda: JSONResponse(token)
    assert await refused(client_of(http, hostile, userinfo=True)) == "token_malformed"
    assert hostile.asked["/userinfo"] == 0


@pytest.mark.parametrize("endpoint", [None, "http://elsewhere.example.edu/userinfo"])
async def test_a_provider_without_a_usable_userinfo_endpoint_is_unusable_only_where_it_is_set(
    http: httpx.AsyncClient, hostile: Hostile, endpoint: str | None
) -> None:
    hostile.metadata = lambda: JSONResponse({**hostile.documents(), "userinfo_endpoint": endpoint})
    assert await refused(client_of(http, hostile, userinfo=True)) == "bad_metadata"
    assert (await exchanged(http, hostile)).subject == "u-1"
