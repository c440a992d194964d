"""A department is a folder: one copied under another name is everywhere, and nothing else was edited."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from deploy.local.installation import Installation
from deploy.local.servers.obtain import RunningKafka, RunningPostgres
from deploy.local.services import IDENTITY, ROOT
from schemas.flows import CLEARANCE, GATEWAY
from tests.support.gateway.server import Events, sign_in
from tests.support.samples.sample_department import NEW, TITLE, add_department
from tests.support.waiting import eventually
from tests.system.test_walk import PAGE_POLL_S, checks, line_of, told

PARTS = ("schemas", "services", "config", "deploy")


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project with one department more."""
    root = tmp_path_factory.mktemp("tree")
    for part in PARTS:
        shutil.copytree(ROOT / part, root / part, ignore=shutil.ignore_patterns("__pycache__"))
    add_department(root / "services")
    return root


@pytest.fixture(scope="module")
async def grown(
    tree: Path, postgres: RunningPostgres, kafka: RunningKafka, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Installation]:
    """The new department, the clearance and the gateway, provisioned by the commands and run from the tree."""
    installation = Installation(tmp_path_factory.mktemp("grown"), postgres=postgres.dsn, kafka=kafka.address, root=tree)
    secrets = installation.folder / "databases.json"
    Installation.open.append(installation)
    try:
        provision(installation, postgres.dsn, "topics")
        provision(installation, postgres.dsn, "databases", "--secrets", str(secrets))
        installation.define_services(json.loads(secrets.read_text()))
        await installation.start(NEW, CLEARANCE, IDENTITY, GATEWAY)
        yield installation
    finally:
        await installation.close()


def provision(installation: Installation, postgres: str, *arguments: str) -> None:
    ours = {key: value for key, value in os.environ.items() if not key.startswith("LIXIAO_")}
    told = {
        "LIXIAO_POSTGRES": postgres,
        "LIXIAO_KAFKA": installation.kafka,
        "LIXIAO_NAMESPACE": installation.namespace,
    }
    done = subprocess.run(
        [sys.executable, "-m", "services.kit.provisioning", *arguments],
        cwd=installation.root,
        env=ours | told,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr


async def test_its_topics_are_made_and_its_service_is_one_of_the_demonstrations(grown: Installation) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=grown.kafka)
    await admin.start()
    try:
        made = set(await admin.list_topics())
    finally:
        await admin.close()
    topics = grown.topics
    assert {topics.status(NEW), topics.attestation(NEW), topics.answer(NEW)} <= made
    assert grown.address(NEW) not in {grown.address(name) for name in grown.departments if name != NEW}


async def test_a_student_sees_it_and_cannot_leave_without_it(grown: Installation) -> None:
    person = grown.person()
    student_id = person.student_id or ""
    await grown.enrol(student_id)
    browser = await sign_in(grown, person)

    async def has_spoken() -> bool:
        return bool((await checks(browser))[f"{NEW}/check-out"]["state"] == "clear")

    await eventually(has_spoken, what="its first word", poll_s=PAGE_POLL_S)
    assert TITLE in (await browser.get("/case")).text
    async with browser.stream("/case/live") as response:
        events = Events(response)
        await events.next()
        room = {"campus": "南湖校区", "building": "器材楼", "room": "101"}
        await grown.act(NEW, "assign", student_id=student_id, **room)
        html = await told(events, "器材楼")
    line = line_of(html, f"{NEW}-check-out")
    assert TITLE in line
    assert "未通过" in line
    assert (await browser.get("/api/v1/submission")).json()["state"] == "open-items"
    await browser.close()
