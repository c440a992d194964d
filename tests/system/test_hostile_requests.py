"""Requests made up from each service's own OpenAPI, right and wrong in every field: each answer is one it documents.

A path that departments document alike is the kit's, and asked of one of them: made-up requests cost a second a path.
"""

import asyncio
import os
import subprocess
import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from deploy.local.http_clients import local_client
from deploy.local.installation import Installation
from schemas.flows import CLEARANCE, GATEWAY
from services.kit.manifests import discover
from services.kit.names import OPERATOR, ROSTER
from tests.support.gateway.server import sign_in

CHECKS: Final = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "response_headers_conformance",
)
EXAMPLES: Final = 10
"""Made up for each operation, beside those for each bound of each field."""
WORDS: Final = frozenset({"description", "title", "summary", "operationId"})
SHOWN: Final = frozenset({"example", "examples"})
"""What an API's document says to people; the words are text, where a field of that name is a schema."""
DEPARTMENTS: Final = tuple(discover())
TIMEOUT_S: Final = 240
ROOT: Final = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("name", "account"), [*((name, name) for name in DEPARTMENTS), (CLEARANCE, ROSTER), (CLEARANCE, OPERATOR)]
)
async def test_a_desks_api_answers_as_it_documents(
    installation: Installation, name: str, account: str, tmp_path: Path
) -> None:
    authorization = installation.client(name, account).headers["authorization"]
    paths = await documented(installation, name)
    asked_elsewhere = []
    if name in DEPARTMENTS[1:]:
        first = await documented(installation, DEPARTMENTS[0])
        asked_elsewhere = [path for path, item in paths.items() if first.get(path) == item]
        assert len(asked_elsewhere) < len(paths)
    await answers_as_documented(
        installation.operator_address(name), {"Authorization": authorization}, tmp_path, but=asked_elsewhere
    )


async def documented(installation: Installation, name: str) -> dict[str, Any]:
    """Path → methods, parameters, bodies and answers, each schema in its place."""
    async with local_client() as client:
        document = (await client.get(f"{installation.operator_address(name)}/openapi.json")).json()
    return {path: without_words(document, item) for path, item in document["paths"].items()}


def without_words(document: Any, part: Any, within: tuple[str, ...] = ()) -> Any:
    if isinstance(part, list):
        return [without_words(document, one, within) for one in part]
    if not isinstance(part, dict):
        return part
    named = part.get("$ref")
    if isinstance(named, str):
        found = document
        for step in named.removeprefix("#/").split("/"):
            found = found[step]
        return named if named in within else without_words(document, found, (*within, named))
    return {key: without_words(document, one, within) for key, one in part.items() if not for_people(key, one)}


def for_people(key: str, value: Any) -> bool:
    return key in SHOWN or (key in WORDS and isinstance(value, str))


@pytest.mark.parametrize("signed_in", [True, False], ids=["signed in", "nobody"])
async def test_the_students_api_answers_as_it_documents(
    installation: Installation, signed_in: bool, tmp_path: Path
) -> None:
    headers: dict[str, str] = {}
    if signed_in:
        person = installation.person()
        assert person.student_id is not None
        await installation.enrol(person.student_id)
        browser = await sign_in(installation, person)
        headers = browser.headers({"X-CSRF-Token": await browser.csrf()})
        await browser.close()
    await answers_as_documented(installation.operator_address(GATEWAY), headers, tmp_path)


async def answers_as_documented(
    address: str, headers: Mapping[str, str], folder: Path, *, but: Collection[str] = ()
) -> None:
    """Run Schemathesis against a service: the same requests every time. `but`: paths that are left out."""
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"{address}/openapi.json", "--no-color"]
    command += ["--phases", "examples,coverage,fuzzing", "--max-examples", str(EXAMPLES), "--generation-deterministic"]
    command += ["--checks", ",".join(CHECKS)]
    for path in but:
        command += ["--exclude-path", path]
    for name, value in headers.items():
        command += ["--header", f"{name}: {value}"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "SCHEMATHESIS_HOOKS": "tests.support.schemathesis_hooks"}
    finished = await asyncio.to_thread(
        subprocess.run, command, cwd=folder, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S
    )
    assert finished.returncode == 0, finished.stdout
