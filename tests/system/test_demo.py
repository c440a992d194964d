"""`make demo` as its user meets it: it starts, a student signs in, a desk clears a check, and nothing is left running.

It runs with servers of its installation, as on a machine that has none.
"""

import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import psutil
import pytest

from deploy.demo.students import Student, invent_students, simulated
from deploy.local.credentials import Accounts
from deploy.local.http_clients import local_client
from deploy.local.processes.state_folder import clean
from tests.support.paths import ROOT
from tests.support.waiting import eventually

STUDENTS = 14
READY_S = 240
STOPPED_S = 90
LATE_S = 15
"""Enough to sign in and look before the late list arrives."""
INVENTED = invent_students(STUDENTS)
CLEAR = next(number for number, one in enumerate(INVENTED) if one.situation == "all-clear")


class Demo:
    """One run of the launcher, its output in a file."""

    def __init__(self, state: Path, cache: Path, *options: str) -> None:
        self.state = state
        self.output = state.parent / "output.txt"
        kept = {key: value for key, value in os.environ.items() if not key.startswith("LIXIAO_")}
        with self.output.open("wb") as output:
            self.launcher = subprocess.Popen(
                [sys.executable, "-m", "deploy.demo", "--students", str(STUDENTS), "--port", "0", *options],
                cwd=ROOT,
                env={**kept, "LIXIAO_STATE": str(state), "LIXIAO_CACHE": str(cache)},
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
            )

    @property
    def printed(self) -> str:
        return self.output.read_text()

    @property
    def pages(self) -> str:
        """The address of the students' pages, as it was printed."""
        found = re.search(r"离校服务 .*(http://\S+?)/\s", self.printed)
        assert found, self.printed
        return found[1]

    def desk(self, department: str) -> httpx.AsyncClient:
        """A client of a department's desk, with the address that was printed."""
        found = re.search(rf"{department} desk API +(http://\S+)/docs", self.printed)
        assert found, self.printed
        token = Accounts(self.state / "demo").token(department)
        return local_client(found[1], headers={"Authorization": f"Bearer {token}"})

    def processes(self) -> list[psutil.Process]:
        return list(psutil.Process(self.launcher.pid).children(recursive=True))

    def has_ended(self) -> bool:
        return self.launcher.poll() is not None

    def is_ready(self) -> bool:
        assert not self.has_ended(), self.printed
        return "Ctrl-C stops everything" in self.printed


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("demo")
    yield folder / "state"
    clean(folder)


@pytest.fixture(scope="module")
async def demo(place: Path, cache: Path) -> AsyncIterator[Demo]:
    running = Demo(place, cache, "--pace", "20", "--late-s", str(LATE_S))
    try:
        await eventually(running.is_ready, what="the demonstration to be ready", timeout_s=READY_S, poll_s=0.3)
        yield running
    finally:
        if not running.has_ended():
            running.launcher.send_signal(signal.SIGTERM)
            running.launcher.wait(STOPPED_S)


async def signed_in(http: httpx.AsyncClient, pages: str, student: Student) -> dict[str, str]:
    """The cookies of a browser that signed in. A browser counts this machine as secure, httpx does not: by hand."""
    to_provider = await http.get(f"{pages}/sign-in")
    provider = urlsplit(to_provider.headers["location"])
    listed = await http.get(provider.geturl())
    assert student.name in unescape(listed.text)
    form = dict(parse_qsl(provider.query)) | {"sub": student.student_id}
    chosen = await http.post(f"{provider.scheme}://{provider.netloc}/sign-in", data=form)
    back = await http.get(chosen.headers["location"], headers={"Cookie": _cookie(to_provider)})
    assert back.status_code == 303, back.text
    return {"Cookie": _cookie(back)}


def _cookie(answer: httpx.Response) -> str:
    given = (header.partition(";")[0] for header in answer.headers.get_list("set-cookie"))
    return "; ".join(core for core in given if not core.endswith(("=", '=""')))


async def test_one_departments_list_is_late_and_until_then_its_check_is_grey(demo: Demo) -> None:
    assert re.search(rf"Lists that are late, and when they arrive: \S+ {LATE_S} s\.", demo.printed.replace("\n", " "))
    async with local_client() as http:
        cookie = await signed_in(http, demo.pages, INVENTED[CLEAR])

        async def states() -> dict[str, str]:
            case = await http.get(f"{demo.pages}/api/v1/case", headers=cookie)
            return {check["department"]: check["state"] for check in case.json()["checks"]}

        assert (await states())["finance"] == "waiting"

        async def is_clear() -> bool:
            return set((await states()).values()) == {"clear"}

        await eventually(is_clear, what="every check to be clear after the late list", poll_s=1)
    assert "finance): the list has arrived" in demo.printed.replace("\n", " ")


async def test_a_student_signs_in_and_the_printed_request_turns_the_last_red_line(demo: Demo) -> None:
    async with local_client() as http:
        cookie = await signed_in(http, demo.pages, INVENTED[0])

        async def page() -> str:
            answer = await http.get(f"{demo.pages}/case", headers=cookie)
            assert answer.status_code == 200
            return unescape(answer.text)

        async def waits_for_the_library() -> bool:
            return "图书馆正在审核论文" in await page()

        await eventually(waits_for_the_library, what="the library's status on the page")
        assert INVENTED[0].name in await page()
        assert (await http.request(**printed_request(demo.printed))).json()["clear"] is True

        async def has_turned() -> bool:
            return "论文审核通过" in (now := await page()) and "未通过" not in now

        await eventually(has_turned, what="every line to be green")


def printed_request(printed: str) -> dict[str, Any]:
    """What the printed command would send, with a shell reading it and a function in the place of curl."""
    command = printed[printed.index("  curl ") :].split("\n\n")[0]
    script = "curl() { printf '%s\\0' \"$@\"; }\n" + command
    arguments = subprocess.run(["sh", "-c", script], capture_output=True, cwd=ROOT, check=True).stdout.decode()
    _, address, *rest = arguments.rstrip("\0").split("\0")
    options = list(zip(rest[::2], rest[1::2], strict=True))
    headers = dict(value.split(": ", 1) for option, value in options if option == "-H")
    (content,) = (value for option, value in options if option == "-d")
    return {"method": "POST", "url": address, "headers": headers, "content": content}


async def test_the_simulation_changes_records_and_leaves_the_personas_alone(demo: Demo) -> None:
    async with demo.desk("finance") as finance, demo.desk("library") as library:

        async def records(desk: httpx.AsyncClient, students: Sequence[Student]) -> list[dict[str, Any]]:
            answers = [await desk.post("/records/query", json={"student_id": one.student_id}) for one in students]
            return [answer.json()["record"] for answer in answers]

        changed_by_simulation = simulated(INVENTED)
        before = await records(library, changed_by_simulation)

        async def something_changed() -> bool:
            return await records(library, changed_by_simulation) != before

        await eventually(something_changed, what="a simulated operation at the library", timeout_s=60)
        owing = INVENTED[2]
        (record,) = await records(finance, [owing])
        assert [charge["paid"] for charge in record["charges"]] == ["0.00"] * 3


async def test_a_service_that_is_killed_is_named_with_its_last_lines_and_restarted(demo: Demo) -> None:
    (dorm,) = (process for process in demo.processes() if "services.dorm" in process.cmdline())
    dorm.kill()
    await eventually(lambda: "dorm is back." in demo.printed, what="dorm to be back", timeout_s=60)
    assert "dorm exited with signal SIGKILL. Last lines of" in demo.printed.replace("\n", " ")


async def test_secrets_are_their_owners_alone_and_no_service_is_given_the_superuser(demo: Demo) -> None:
    private = [demo.state / "demo" / "databases.json", *(demo.state / "demo" / "tokens").iterdir()]
    assert len(private) > 4
    assert {path.stat().st_mode & 0o077 for path in private} == {0}
    superuser = (demo.state / "demo" / "postgres" / "password").read_text()
    for process in demo.processes():
        if "services." in " ".join(process.cmdline()):
            assert not any(superuser in value for value in process.environ().values())


async def test_an_interrupt_leaves_nothing_running_and_a_second_start_loads_nothing_again(
    demo: Demo, cache: Path
) -> None:
    processes = demo.processes()
    assert len(processes) >= 10
    demo.launcher.send_signal(signal.SIGINT)
    assert demo.launcher.wait(STOPPED_S) == 0
    assert "Stopped; nothing is left running." in demo.printed
    assert psutil.wait_procs(processes, timeout=10)[1] == []
    again = Demo(demo.state, cache, "--once")
    await eventually(again.has_ended, what="the second run to end", timeout_s=READY_S, poll_s=0.3)
    assert again.launcher.returncode == 0, again.printed
    assert "Ctrl-C stops everything" in again.printed
    assert "departments' lists" not in again.printed
    assert "late" not in again.printed
    assert "roster" not in again.printed.partition("Ready")[0]
