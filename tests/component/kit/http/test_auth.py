"""Who may call: bearer tokens and their roles."""

import io
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.kit.faults import fault_of
from services.kit.http.access import credentials_file
from services.kit.http.access.auth import Credentials, token_sha256
from services.kit.http.access.credentials_file import CredentialsFile
from tests.component.kit.http.application import SECRET, TOKENS, application, client_of, entry, problem_of


async def test_the_right_token_is_let_in(client: httpx.AsyncClient) -> None:
    answer = await client.get("/desk", headers={"Authorization": f"Bearer {TOKENS['library-desk']}"})
    assert answer.json() == {"who": "library-desk"}


@pytest.mark.parametrize("sent", [None, "Bearer nobody", "Bearer ", "Basic dDp0", f"Basic {TOKENS['library-desk']}"])
async def test_without_a_known_token_nobody_is_let_in(client: httpx.AsyncClient, sent: str | None) -> None:
    answer = await client.get("/desk", headers={"Authorization": sent} if sent else {})
    problem_of(answer, 401)
    assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_the_token_of_another_desk_is_refused_and_the_refusal_is_logged_without_it(
    client: httpx.AsyncClient, lines: io.StringIO
) -> None:
    answer = await client.get("/desk", headers={"Authorization": f"Bearer {TOKENS['dorm-desk']}"})
    assert "desk:library" in problem_of(answer, 403)["detail"]
    line = json.loads(lines.getvalue().splitlines()[-1])
    assert (line["event"], line["principal"], line["cause"]) == ("auth.refused", "dorm-desk", "role")
    assert TOKENS["dorm-desk"] not in lines.getvalue()


async def test_a_file_of_somebody_unknown_is_not_read_whatever_they_call_it(client: httpx.AsyncClient) -> None:
    read = 0

    async def parts() -> AsyncIterator[bytes]:
        nonlocal read
        for part in (b"[", *[b"{}," * 1000] * 100, b"{}]"):
            read += len(part)
            yield part

    headers = {"Content-Type": "application/json"}
    problem_of(await client.post("/desk/files", content=parts(), headers=headers), 401)
    assert read == 0
    headers["Authorization"] = f"Bearer {TOKENS['library-desk']}"
    assert (await client.post("/desk/files", content=parts(), headers=headers)).json() == read > 300_000


async def test_an_application_without_credentials_lets_nobody_in(tmp_path: Path) -> None:
    app = application(tmp_path)
    headers = {"Authorization": f"Bearer {TOKENS['library-desk']}"}
    for credentials in (Credentials.load(None), None):
        app.state.credentials = credentials
        async with client_of(app) as client:
            problem_of(await client.get("/desk", headers=headers), 401)


@pytest.mark.parametrize(
    "entries",
    [
        [entry("a", "0" * 64), entry("a", "1" * 64)],
        [entry("a", "0" * 64), entry("b", "0" * 64)],
        [entry("a", SECRET)],
        [{**entry("a", "0" * 64), "roles": []}],
        {},
    ],
)
def test_a_wrong_file_of_credentials_is_refused_without_its_content(tmp_path: Path, entries: Any) -> None:
    path = tmp_path / "credentials.json"
    path.write_text(json.dumps(entries))
    with pytest.raises(ValueError, match=".") as raised:
        Credentials.load(path)
    assert SECRET not in str(raised.value)
    assert SECRET not in (line := fault_of(raised.value))
    assert line
    assert "\n" not in line


def test_a_removed_entry_ends_also_when_the_file_could_not_be_read_at_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: io.StringIO
) -> None:
    """A file put in place without the right to read it, which is given then: nothing else of it changes."""
    monkeypatch.setattr(credentials_file, "_LOOKED_AT_EVERY_S", 0.0)
    path = tmp_path / "credentials.json"
    path.write_text(json.dumps([entry("a", token_sha256("a")), entry("b", token_sha256("b"))]))
    file = CredentialsFile(path)
    path.write_text(json.dumps([entry("b", token_sha256("b"))]))
    with monkeypatch.context() as unreadable:
        unreadable.setattr(Path, "read_bytes", _forbidden)
        assert [file.find("a"), file.find("a")] != [None, None]
    assert lines.getvalue().count("credentials.refused") == 1
    assert file.find("a") is None
    assert file.find("b") is not None


def _forbidden(path: Path) -> bytes:
    raise PermissionError
