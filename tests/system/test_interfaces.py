"""The running services serve the committed documents, and the example's generated client works with one of them."""

import asyncio
import json
import os
import subprocess
import sys

import pytest

from deploy.local.http_clients import local_client
from deploy.local.installation import Installation, new_student_id
from schemas.flows import CLEARANCE, GATEWAY
from services.kit.http.openapi import FOLDER
from services.kit.manifests import discover
from tests.support.paths import ROOT


@pytest.mark.parametrize("service", [*discover(), CLEARANCE, GATEWAY])
async def test_a_running_service_serves_the_document_that_is_committed(
    installation: Installation, service: str
) -> None:
    async with local_client(installation.operator_address(service)) as operator:
        served = (await operator.get("/openapi.json")).json()

    assert served == json.loads((FOLDER / f"{service}.json").read_bytes())


async def test_the_example_lends_a_book_takes_it_back_and_imports_a_file(installation: Installation) -> None:
    student_id = new_student_id()
    await installation.enrol(student_id)
    command = [sys.executable, "examples/library_desk.py", installation.address("library"), student_id]
    environment = {**os.environ, "LIXIAO_TOKEN": installation.accounts.token("library")}

    done = await asyncio.to_thread(
        subprocess.run, command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120
    )

    assert done.returncode == 0, done.stdout + done.stderr
    lent, as_it_is, returned, imported, *rows = done.stdout.splitlines()
    assert "borrowing: books-not-returned" in lent
    assert lent.split()[1:] == as_it_is.split()[3:]
    assert "borrowing: card-not-cancelled" in returned
    assert imported.split(maxsplit=1)[1] == "0 applied, 1 unchanged, 1 rejected"
    assert [row.split()[:3] for row in rows] == [["row", "2", "unchanged"], ["row", "3", "rejected"]]
    assert "is not a student number" in rows[1]


async def test_the_example_says_what_the_service_refuses(installation: Installation) -> None:
    command = [sys.executable, "examples/library_desk.py", installation.address("library"), "TS20269999"]
    environment = {**os.environ, "LIXIAO_TOKEN": "no-token"}

    done = await asyncio.to_thread(
        subprocess.run, command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120
    )

    assert done.returncode == 1
    assert json.loads(done.stderr)["type"] == "urn:lixiao:problem:unauthorized"
