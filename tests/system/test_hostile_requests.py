"""Requests made up from each service's own OpenAPI, right and wrong in every field: each answer is one it documents."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

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
TIMEOUT_S: Final = 240
ROOT: Final = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("name", "account"), [*((name, name) for name in discover()), (CLEARANCE, ROSTER), (CLEARANCE, OPERATOR)]
)
async def test_a_desks_api_answers_as_it_documents(
    installation: Installation, name: str, account: str, tmp_path: Path
) -> None:
    authorization = installation.client(name, account).headers["authorization"]
    await answers_as_documented(installation.operator_address(name), {"Authorization": authorization}, tmp_path)


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


async def answers_as_documented(address: str, headers: Mapping[str, str], folder: Path) -> None:
    """Run Schemathesis against a service: the same requests every time."""
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"{address}/openapi.json", "--no-color"]
    command += ["--phases", "examples,coverage,fuzzing", "--max-examples", str(EXAMPLES), "--generation-deterministic"]
    command += ["--checks", ",".join(CHECKS)]
    for name, value in headers.items():
        command += ["--header", f"{name}: {value}"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "SCHEMATHESIS_HOOKS": "tests.support.schemathesis_hooks"}
    finished = await asyncio.to_thread(
        subprocess.run, command, cwd=folder, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S
    )
    assert finished.returncode == 0, finished.stdout
