"""A service that is forked from a template is the one that is executed; tests start most of them so."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from deploy.local.processes.process import Process, StartFailed
from tests.support.paths import ROOT
from tests.support.servers.warm_start.processes import Templates, WarmChild, WarmProcess
from tests.support.waiting import eventually

MODULE = "services.archives"
REFUSED = {"LIXIAO_KAFKA": "127.0.0.1:9", "LIXIAO_DATABASE": "postgresql://127.0.0.1/none", "LIXIAO_HTTP_PORT": "many"}
AWAY = REFUSED | {"LIXIAO_HTTP_PORT": "0", "LIXIAO_DATABASE": "postgresql://127.0.0.1:9/none"}
ENDED_WITHIN_S = 60


@pytest.fixture(scope="module")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[type[WarmProcess]]:
    class Warm(WarmProcess):
        templates = Templates(tmp_path_factory.mktemp("templates"))

    yield Warm
    Warm.templates.close()


def started(kind: type[Process], log: Path, **variables: str) -> Process:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("LIXIAO_", "OTEL_"))}
    command = [sys.executable, "-m", MODULE]
    return kind("archives", command, log=log, cwd=ROOT, env={**inherited, **variables}).start()


def test_it_ends_as_the_executed_one_ends_and_writes_the_same(warm: type[WarmProcess], tmp_path: Path) -> None:
    processes = [started(kind, tmp_path / kind.__name__, **REFUSED) for kind in (Process, warm)]
    for process in processes:
        with pytest.raises(StartFailed, match=r"(?s)exited with code .*LIXIAO_HTTP_PORT"):
            process.wait_until(lambda: False, timeout_s=ENDED_WITHIN_S)
    executed, forked = processes
    assert isinstance(forked._child, WarmChild)
    assert forked.poll() == executed.poll()
    assert forked.tail() == executed.tail()


async def test_it_is_named_leads_a_group_and_is_killed_with_a_signal_as_its_code(
    warm: type[WarmProcess], tmp_path: Path
) -> None:
    process = started(warm, tmp_path / "log", **AWAY)
    assert process.pid is not None
    assert os.getpgid(process.pid) == process.pid
    await eventually(
        lambda: psutil.Process(process.pid).cmdline() == [sys.executable, "-m", MODULE],
        what="the service's name",
        timeout_s=ENDED_WITHIN_S,
    )
    assert process.poll() is None
    process.kill()
    assert process.poll() == -signal.SIGKILL
    assert process.pid is None


def test_another_program_tree_or_variable_that_modules_may_read_is_executed(tmp_path: Path) -> None:
    templates = Templates(tmp_path)
    here = Process("archives", [sys.executable, "-m", MODULE], log=tmp_path / "log", cwd=ROOT, env=AWAY)
    assert templates.fit(here)
    here.env = AWAY | {"LIXIAO_FAILPOINT": "desk.before_commit"}
    assert not templates.fit(here)
    for command, folder in (([*here.command, "migrate"], ROOT), (here.command, tmp_path), (["true"], ROOT)):
        assert not templates.fit(Process("other", command, log=tmp_path / "log", cwd=folder, env=AWAY))


def test_the_services_end_with_whoever_started_the_templates(tmp_path: Path) -> None:
    program = f"""
import os, pathlib, time
from tests.component.deploy.processes.test_warm_start import AWAY, Templates, WarmProcess, started
folder = pathlib.Path({str(tmp_path)!r})
WarmProcess.templates = Templates(folder)
process = started(WarmProcess, folder / "log", **AWAY)
print(process.pid, flush=True)
time.sleep({ENDED_WITHIN_S})
"""
    with subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True) as launcher:
        assert launcher.stdout is not None
        service = psutil.Process(int(launcher.stdout.readline()))
        family = [service, *service.parents()[:2]]
        launcher.kill()
    assert not psutil.wait_procs(family, timeout=ENDED_WITHIN_S)[1]
