"""Keys as providers publish and replace them: without names, and new ones under old names."""

import asyncio

import httpx
import pytest

from services.gateway.identity.oidc.discovery import REFRESH_PAUSE_S
from tests.support.gateway.hostile_provider import (
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


@pytest.mark.parametrize("keys", [public(KEY, named=False), public(NEXT_KEY, KEY, named=False)])
async def test_a_key_without_a_name_serves_a_token_that_names_one(
    http: httpx.AsyncClient, hostile: Hostile, keys: Answer
) -> None:
    hostile.keys = keys
    assert (await client_of(http, hostile).exchange("c-1", VERIFIER, "n-1", CALLBACK)).subject == "u-1"
    assert hostile.asked["/jwks"] == 1


@pytest.mark.parametrize("named", [True, False], ids=["under the old name", "without a name"])
async def test_a_key_made_anew_is_fetched_once_for_everybody(
    http: httpx.AsyncClient, hostile: Hostile, named: bool
) -> None:
    hostile.keys = public(KEY, named=named)
    clock = Time()
    client = client_of(http, hostile, clock)
    await client.exchange("c-1", VERIFIER, "n-1", CALLBACK)
    hostile.keys, hostile.token = public(FOREIGN_KEY, named=named), answer(hostile.signed(FOREIGN_KEY))
    clock.now_s += REFRESH_PAUSE_S
    signed_in = await asyncio.gather(*(client.exchange(f"c-{n}", VERIFIER, "n-1", CALLBACK) for n in range(20)))
    assert {identity.subject for identity in signed_in} == {"u-1"}
    assert hostile.asked["/jwks"] == 2


async def test_a_flood_of_bad_signatures_asks_for_the_keys_once_in_a_pause(
    http: httpx.AsyncClient, hostile: Hostile
) -> None:
    clock = Time()
    client = client_of(http, hostile, clock)
    hostile.token = answer(hostile.signed(FOREIGN_KEY))
    for expected in (1, 2, 3):
        assert set(await asyncio.gather(*(refused(client) for _ in range(20)))) == {"bad_signature"}
        assert hostile.asked["/jwks"] == expected
        clock.now_s += REFRESH_PAUSE_S
