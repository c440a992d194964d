"""The client secret in a file: a replaced one is used from the next sign-in on, without a restart."""

from pathlib import Path
from urllib.parse import parse_qs

import pytest

from deploy.local.http_clients import local_client
from services.gateway.identity.oidc.client import OpenIdClient
from services.gateway.identity.oidc.discovery import OpenIdSettings
from tests.support.gateway.hostile_provider import CALLBACK, VERIFIER, Hostile, refused


async def test_a_replaced_secret_is_used_and_a_missing_one_says_so(hostile: Hostile, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    settings = OpenIdSettings(
        hostile.issuer, "lixiao", client_secret_file=file, client_authentication="client_secret_post"
    )
    async with local_client() as http:
        client = OpenIdClient(http, settings)
        for secret in ("the first", "the second"):
            file.write_text(f"{secret}\n")
            await client.exchange("c-1", VERIFIER, "n-1", CALLBACK)
            assert parse_qs(hostile.form)["client_secret"] == [secret]
        for broken in (lambda: file.write_text(" \n"), file.unlink):
            broken()
            assert await refused(client) == "no_secret"


def test_a_secret_is_given_once() -> None:
    with pytest.raises(ValueError, match="twice"):
        OpenIdSettings("https://identity.example.edu", "lixiao", "s", Path("secret"))
