"""Who may call: bearer tokens and their roles."""

import io
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.kit.faults import fault_of
from services.kit.http.access.auth import Credentials
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
