"""The demonstration's identity provider as a program: its people, its settings, its end."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from deploy.local.identity.people import MAX_FOUND, MAX_SHOWN_PER_GROUP, grouped, load_people
from tests.support.signing_in import CALLBACK, COHORT, STAFF, STUDENT, VERIFIER, client_of, code_for
from tests.support.waiting import eventually


def test_groups_come_in_their_order_and_show_a_few_until_searched() -> None:
    groups = grouped((*COHORT, STAFF, STUDENT), "")
    assert [group.situation.zh for group in groups] == ["只差一步", "证书领取处", "其他同学"]
    assert (len(groups[2].shown), groups[2].more) == (MAX_SHOWN_PER_GROUP, 200 - MAX_SHOWN_PER_GROUP)
    (found,) = grouped((*COHORT, STAFF, STUDENT), "虚构")
    assert (len(found.shown), found.more) == (MAX_FOUND, 200 - MAX_FOUND)


def test_a_people_file_that_names_a_subject_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "people.json"
    person: dict[str, object] = {
        "sub": "u-1",
        "name": "苏木槿",
        "student_id": None,
        "roles": [],
        "situation": "all-clear",
    }
    path.write_text(json.dumps([person]))
    assert load_people(path)[0].name == "苏木槿"
    path.write_text(json.dumps([person, person]))
    with pytest.raises(ValueError, match="subject"):
        load_people(path)


def environment(tmp_path: Path, port: int) -> dict[str, str]:
    people = tmp_path / "people.json"
    people.write_text(json.dumps([STUDENT.model_dump(mode="json")]))
    clients = [{"client_id": "lixiao", "client_secret": "s", "redirect_uris": [CALLBACK]}]
    return {
        **os.environ,
        "LIXIAO_IDENTITY_PORT": str(port),
        "LIXIAO_IDENTITY_ISSUER": f"http://127.0.0.1:{port}",
        "LIXIAO_IDENTITY_PEOPLE": str(people),
        "LIXIAO_IDENTITY_CLIENTS": json.dumps(clients),
    }


@dataclass(frozen=True)
class Running:
    issuer: str
    process: subprocess.Popen[bytes]


@pytest.fixture
def program(tmp_path: Path, unused_tcp_port: int) -> Iterator[Running]:
    settings = environment(tmp_path, unused_tcp_port)
    process = subprocess.Popen([sys.executable, "-m", "deploy.local.identity"], env=settings)
    try:
        yield Running(settings["LIXIAO_IDENTITY_ISSUER"], process)
    finally:
        process.kill()
        process.wait(20)


async def test_it_runs_as_a_program_that_signs_in_and_ends_when_told(http: httpx.AsyncClient, program: Running) -> None:
    await _until_alive(http, program.issuer, program.process)
    client = client_of(http, program.issuer, client_id="lixiao", client_secret="s")
    identity = await client.exchange(await code_for(http, client), VERIFIER, "n-1", CALLBACK)
    assert identity.student_ids == ("TS22010001",)
    program.process.send_signal(signal.SIGTERM)
    await asyncio.to_thread(program.process.wait, 20)


async def _until_alive(http: httpx.AsyncClient, issuer: str, process: subprocess.Popen[bytes]) -> None:
    async def answers() -> bool:
        assert process.poll() is None, "the provider ended by itself"
        try:
            return (await http.get(f"{issuer}/health/live")).status_code == 200
        except httpx.TransportError:
            return False

    await eventually(answers, what="the provider to answer", timeout_s=30)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("LIXIAO_IDENTITY_ISSUER", "http://127.0.0.1:1/path", "LIXIAO_IDENTITY_ISSUER"),
        ("LIXIAO_IDENTITY_CLIENTS", "[]", "LIXIAO_IDENTITY_CLIENTS"),
        ("LIXIAO_IDENTITY_PEOPLE", "/nowhere/people.json", "LIXIAO_IDENTITY_PEOPLE"),
    ],
)
def test_a_wrong_setting_ends_the_start_and_is_named(tmp_path: Path, name: str, value: str, said: str) -> None:
    settings = {**environment(tmp_path, 9), name: value}
    ended = subprocess.run(
        [sys.executable, "-m", "deploy.local.identity"],
        env=settings,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 1
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr
