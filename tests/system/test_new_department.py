"""A department written as docs/new-department.md says is everywhere, and nothing else was edited."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from deploy.local.installation import Installation
from deploy.local.servers.kafka import RunningKafka
from deploy.local.servers.server import Running
from deploy.local.services import IDENTITY, ROOT
from schemas.flows import CLEARANCE, GATEWAY
from tests.support.gateway.server import Events, sign_in
from tests.support.gateway.staff import clerk
from tests.support.samples.sample_department import CHECK, NEW, TITLE, add_department, page_commands
from tests.support.waiting import eventually
from tests.system.test_walk import PAGE_POLL_S, checks, line_of, told

PARTS = ("schemas", "services", "config", "deploy", "tests")
SERVE = f"python -m services.{NEW}"
CLERK = clerk(NEW)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project with one department more."""
    root = tmp_path_factory.mktemp("tree")
    for part in PARTS:
        shutil.copytree(ROOT / part, root / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", root)
    add_department(root / "services")
    return root


@pytest.fixture(scope="module")
async def installation(
    tree: Path, postgres: Running, kafka: RunningKafka, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Installation]:
    """The page's commands, run in the tree; then the new department, the clearance and the gateway."""
    installation = Installation(
        tmp_path_factory.mktemp("grown"), postgres=postgres.address, kafka=kafka.address, root=tree
    )
    Installation.open.append(installation)
    installation.people.append(CLERK)
    try:
        *commands, migrate, serve = page_commands()
        assert (migrate, serve) == (f"{SERVE} migrate", SERVE)
        (installation.folder / "kafka-passwords").symlink_to(tree / "kafka-passwords")
        for command in commands:
            run(command, installation, postgres.address)
        installation.define_services(json.loads((tree / "databases.json").read_text()))
        migrated = installation.command(NEW, "migrate")
        assert migrated.returncode == 0, migrated.stdout + migrated.stderr
        await installation.start(NEW, CLEARANCE, IDENTITY, GATEWAY)
        yield installation
    finally:
        await installation.close()


def run(command: str, installation: Installation, postgres: str) -> None:
    program, *arguments = shlex.split(command)
    assert program == "python"
    ours = {key: value for key, value in os.environ.items() if not key.startswith("LIXIAO_")}
    settings = {
        "LIXIAO_POSTGRES": postgres,
        **installation.kafka.variables(),
        "LIXIAO_NAMESPACE": installation.namespace,
    }
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=installation.root,
        env=ours | settings,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, command + done.stdout + done.stderr


async def test_its_topics_are_made_and_its_service_is_one_of_the_demonstrations(installation: Installation) -> None:
    admin = AIOKafkaAdminClient(**installation.kafka.options())
    await admin.start()
    try:
        made = set(await admin.list_topics())
    finally:
        await admin.close()
    topics = installation.topics
    assert {topics.status(NEW), topics.attestation(NEW), topics.answer(NEW)} <= made
    assert installation.address(NEW) not in {
        installation.address(name) for name in installation.departments if name != NEW
    }


async def test_a_student_sees_it_and_cannot_leave_without_it(installation: Installation) -> None:
    person = installation.person()
    student_id = person.student_id or ""
    await installation.enrol(student_id)
    browser = await sign_in(installation, person)

    async def has_published() -> bool:
        return bool((await checks(browser))[f"{NEW}/{CHECK}"]["state"] == "clear")

    await eventually(has_published, what="its first status", poll_s=PAGE_POLL_S)
    assert TITLE in (await browser.get("/case")).text
    async with browser.stream("/case/live") as response:
        events = Events(response)
        await events.next()
        await installation.operate(NEW, "lend", student_id=student_id, item_id="BALL-7", name="红色篮球")
        html = await told(events, "红色篮球")
    line = line_of(html, f"{NEW}-{CHECK}")
    assert TITLE in line
    assert "未通过" in line
    assert (await browser.get("/api/v1/submission")).json()["state"] == "open-items"
    await browser.close()


async def test_its_staff_have_a_desk_made_from_its_folder(installation: Installation) -> None:
    student_id = await installation.enrol()
    await installation.opened(NEW, [student_id])
    browser = await sign_in(installation, CLERK)
    desk = f"/staff/{NEW}"
    page = (await browser.get(desk)).text
    assert TITLE in page
    token = re.search(r'name="csrf" value="([^"]+)"', page)
    assert token is not None
    found = await browser.post(f"{desk}/student", {"csrf": token[1], "q": student_id})
    assert 'name="f.item_id"' in found.text
    lent = {
        "operation": "lend",
        "student": student_id,
        "key": "a-key-of-the-form",
        "f.item_id": "BALL-9",
        "f.name": "蓝色篮球",
    }
    done = await browser.post(f"{desk}/operate", {"csrf": token[1], **lent})
    assert done.status_code == 200
    assert "蓝色篮球" in done.text
    assert f"{CLERK.name} ({CLERK.sub})" in done.text

    async def is_listed() -> bool:
        return student_id in (await browser.get(desk)).text

    await eventually(is_listed, what="the student in the desk's list", poll_s=PAGE_POLL_S)
    entry = re.search(r'name="entry" value="([0-9]+)"', done.text)
    assert entry is not None
    undo = {"student": student_id, "entry": entry[1], "reason": "拿错了", "key": "a-key-of-the-undo"}
    undone = await browser.post(f"{desk}/undo", {"csrf": token[1], **undo})
    assert undone.status_code == 200
    assert "原因：拿错了" in undone.text
    await browser.close()
