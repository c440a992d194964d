"""A provider that misbehaves in one way at a time, over real HTTP: nobody is signed in by any of them."""

import asyncio
import hmac
import json
from base64 import urlsafe_b64encode
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from fastapi import Response
from fastapi.responses import JSONResponse, RedirectResponse
from joserfc import jwt
from joserfc.jwk import ECKey

from services.gateway.identity.errors import ProviderUnavailable
from services.gateway.identity.http import MAX_RESPONSE_BYTES
from services.gateway.identity.oidc.discovery import CACHE_LIFETIME_S, REFRESH_PAUSE_S
from tests.support.gateway.hostile_provider import (
    ATTEMPT,
    CALLBACK,
    FOREIGN_KEY,
    KEY,
    NEXT_KEY,
    VERIFIER,
    Answer,
    Hostile,
    Time,
    answer,
    client_of,
    public,
    refused,
)


async def test_the_same_provider_behaving_well_signs_in(http: httpx.AsyncClient, hostile: Hostile) -> None:
    identity = await client_of(http, hostile).exchange("c-1", VERIFIER, "n-1", CALLBACK)
    assert (identity.issuer, identity.subject) == (hostile.issuer, "u-1")


def signed_with_the_public_key_as_a_secret(hostile: Hostile) -> str:
    # By hand: the library refuses to make such a token.
    parts = (json.dumps(part).encode() for part in ({"alg": "HS256", "kid": "k-1"}, hostile.claims()))
    signed = b".".join(urlsafe_b64encode(part).rstrip(b"=") for part in parts)
    mac = hmac.digest(KEY.as_pem(private=False), signed, "sha256")
    return (signed + b"." + urlsafe_b64encode(mac).rstrip(b"=")).decode()


def naming_its_own_keys_address(hostile: Hostile) -> str:
    header = {"alg": "RS256", "jku": f"{hostile.issuer}/elsewhere", "x5u": f"{hostile.issuer}/elsewhere"}
    return jwt.encode(header, hostile.claims(), FOREIGN_KEY, ["RS256"])


def bringing_its_own_key(hostile: Hostile) -> str:
    key = ECKey.generate_key("P-256")
    return jwt.encode({"alg": "ES256", "jwk": key.as_dict(private=False)}, hostile.claims(), key, ["ES256"])


@pytest.mark.parametrize(
    ("make_token", "reason"),
    [
        (signed_with_the_public_key_as_a_secret, "algorithm_not_allowed"),
        (naming_its_own_keys_address, "bad_signature"),
        (bringing_its_own_key, "unknown_key"),
        (lambda h: h.signed(FOREIGN_KEY), "bad_signature"),
        (lambda h: h.signed(NEXT_KEY), "unknown_key"),
        (lambda h: h.signed(iss="https://elsewhere.example.edu"), "wrong_issuer"),
        (lambda h: h.signed(aud="another"), "wrong_audience"),
        (lambda h: h.signed(nonce="n-2"), "wrong_nonce"),
        (lambda h: h.signed(student_id={"$ne": ""}), "claim_malformed"),
        (lambda h: "é.e30.", "token_malformed"),
        (lambda h: 7, "token_malformed"),
    ],
)
async def test_a_token_that_is_not_for_this_sign_in_is_refused(
    http: httpx.AsyncClient, hostile: Hostile, make_token: Callable[[Hostile], Any], reason: str
) -> None:
    hostile.token = answer(make_token(hostile))
    assert await refused(client_of(http, hostile)) == reason
    assert hostile.asked["/elsewhere"] == 0


def huge() -> Response:
    return Response(b'{"id_token": "' + b"x" * MAX_RESPONSE_BYTES + b'"}', media_type="application/json")


ANSWERS: list[tuple[Answer, str]] = [
    (lambda: RedirectResponse("/elsewhere", status_code=307), "redirected"),
    (lambda: RedirectResponse("/elsewhere", status_code=302), "redirected"),
    (huge, "too_large"),
    (lambda: Response(b"<html>", media_type="text/html"), "not_json"),
    (lambda: Response(b"[" * 100_000), "not_json"),
    (lambda: Response(b"\xff\xfe"), "not_json"),
    (lambda: Response(status_code=500), "bad_status"),
    (lambda: Response(status_code=204), "bad_status"),
]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        *ANSWERS,
        (lambda: JSONResponse([]), "not_json"),
        (lambda: JSONResponse({}), "token_malformed"),
        (lambda: JSONResponse({"error": "invalid_grant"}, 400), "code_refused"),
        (lambda: JSONResponse({"error": "invalid_client"}, 401), "client_rejected"),
    ],
)
async def test_a_token_endpoint_that_answers_otherwise_signs_nobody_in(
    http: httpx.AsyncClient, hostile: Hostile, bad: Answer, reason: str
) -> None:
    hostile.token = bad
    assert await refused(client_of(http, hostile)) == reason
    assert hostile.asked["/elsewhere"] == 0


@pytest.mark.parametrize(
    ("bad", "reason"),
    [*ANSWERS, (lambda: JSONResponse({"issuer": "https://elsewhere.example.edu"}), "issuer_mismatch")],
)
async def test_metadata_that_cannot_be_trusted_sends_nobody_anywhere(
    http: httpx.AsyncClient, hostile: Hostile, bad: Answer, reason: str
) -> None:
    hostile.metadata = bad
    client = client_of(http, hostile)
    with pytest.raises(ProviderUnavailable, match=reason):
        await client.sign_in_url(ATTEMPT)
    assert await refused(client) == reason
    assert hostile.asked["/token"] == 0


@pytest.mark.parametrize(
    ("bad", "reason"),
    [*ANSWERS, (lambda: JSONResponse({"keys": [{"kty": "oct", "kid": "k-1", "k": "c2VjcmV0"}]}), "no_keys")],
)
async def test_a_key_set_that_cannot_be_read_signs_nobody_in(
    http: httpx.AsyncClient, hostile: Hostile, bad: Answer, reason: str
) -> None:
    hostile.keys = bad
    assert await refused(client_of(http, hostile)) == reason


async def test_a_provider_that_answers_too_late_is_given_up(http: httpx.AsyncClient, hostile: Hostile) -> None:
    hostile.delay_s = 3600.0
    assert await refused(client_of(http, hostile, timeout_s=0.2)) == "timed_out"


async def test_a_provider_that_drips_its_answer_is_given_up(http: httpx.AsyncClient, hostile: Hostile) -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while not writer.is_closing():
            writer.write(b" ")
            await asyncio.sleep(0.05)

    server = await asyncio.start_server(drip, "127.0.0.1", 0)
    try:
        issuer = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        client = client_of(http, Hostile(issuer), timeout_s=0.4)
        assert await refused(client) == "timed_out"
    finally:
        server.close()


async def test_a_provider_that_is_away_is_unavailable(http: httpx.AsyncClient, unused_tcp_port: int) -> None:
    assert await refused(client_of(http, Hostile(f"http://127.0.0.1:{unused_tcp_port}"))) == "unreachable"


async def test_a_key_that_is_new_at_the_provider_is_fetched_once(http: httpx.AsyncClient, hostile: Hostile) -> None:
    clock = Time()
    client = client_of(http, hostile, clock)
    await client.exchange("c-1", VERIFIER, "n-1", CALLBACK)
    hostile.keys, hostile.token = public(KEY, NEXT_KEY), answer(hostile.signed(NEXT_KEY))
    clock.now_s += REFRESH_PAUSE_S
    signed_in = await asyncio.gather(*(client.exchange(f"c-{n}", VERIFIER, "n-1", CALLBACK) for n in range(20)))
    assert {identity.subject for identity in signed_in} == {"u-1"}
    assert hostile.asked["/jwks"] == 2


async def test_a_flood_of_unknown_keys_is_no_flood_of_requests(http: httpx.AsyncClient, hostile: Hostile) -> None:
    client = client_of(http, hostile)
    hostile.token = answer(hostile.signed(NEXT_KEY))
    assert {await refused(client) for _ in range(20)} == {"unknown_key"}
    assert hostile.asked["/jwks"] == 1


async def test_metadata_and_keys_are_kept_for_their_lifetime(http: httpx.AsyncClient, hostile: Hostile) -> None:
    clock = Time()
    client = client_of(http, hostile, clock)
    for expected in (1, 1, 2):
        await client.exchange("c-1", VERIFIER, "n-1", CALLBACK)
        assert hostile.asked["/.well-known/openid-configuration"] == expected
        assert hostile.asked["/jwks"] == expected
        clock.now_s += CACHE_LIFETIME_S / 2 + 1


async def test_many_who_come_while_the_provider_is_away_ask_it_once_and_it_is_found_again(
    http: httpx.AsyncClient, hostile: Hostile
) -> None:
    clock = Time()
    client = client_of(http, hostile, clock)
    hostile.metadata = lambda: Response(status_code=503)
    assert set(await asyncio.gather(*(refused(client) for _ in range(20)))) == {"bad_status"}
    assert hostile.asked["/.well-known/openid-configuration"] == 1
    hostile.metadata = None
    clock.now_s += REFRESH_PAUSE_S
    assert (await client.exchange("c-1", VERIFIER, "n-1", CALLBACK)).subject == "u-1"
