"""A service that is forked from a template is the one that is executed; tests start most of them so."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from deploy.local.processes.process import Process, StartFailed
from tests.support.paths import ROOT
from tests.support.servers.warm_start.processes import Templates, WarmChild, WarmProcess

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


@pytest.fixture
def silent() -> Iterator[dict[str, str]]:
    """A database that takes the connection and says nothing: the service waits."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        yield AWAY | {"LIXIAO_DATABASE": f"postgresql://127.0.0.1:{port}/none"}


def started(kind: type[Process], log: Path, **variables: str) -> Process:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("LIXIAO_", "OTEL_"))}
    command = [sys.executable, "-m", MODULE]
    return kind("archives", command, log=log, cwd=ROOT, env={**inherited, **variables}).start()


def test_it_ends_as_the_executed_one_ends_and_writes_the_same(warm: type[WarmProcess], tmp_path: Path) -> None:
    executed, forked = (ended(started(kind, tmp_path / kind.__name__, **REFUSED)) for kind in (Process, warm))
    assert isinstance(forked._child, WarmChild)
    assert "LIXIAO_HTTP_PORT is wrong" in executed.tail()
    assert forked.poll() == executed.poll()
    assert forked.tail() == executed.tail()


def test_its_failpoint_is_read_anew(warm: type[WarmProcess], tmp_path: Path) -> None:
    process = ended(started(warm, tmp_path / "log", **AWAY, LIXIAO_FAILPOINT="desk.before_comit"))
    assert "LIXIAO_FAILPOINT is wrong" in process.tail()
    assert process.poll() == 1


def ended(process: Process) -> Process:
    with pytest.raises(StartFailed, match="exited with code"):
        process.wait_until(lambda: False, timeout_s=ENDED_WITHIN_S)
    return process


def test_it_is_named_leads_a_group_and_is_killed_with_a_signal_as_its_code(
    warm: type[WarmProcess], silent: dict[str, str], tmp_path: Path
) -> None:
    process = started(warm, tmp_path / "log", **silent)
    assert process.pid is not None
    assert os.getpgid(process.pid) == process.pid
    assert psutil.Process(process.pid).cmdline()[:3] == [sys.executable, "-m", MODULE]
    assert process.poll() is None
    process.kill()
    assert process.poll() == -signal.SIGKILL
    assert process.pid is None


def test_a_variable_that_modules_may_read_as_they_are_imported_is_not_the_templates(
    warm: type[WarmProcess], tmp_path: Path
) -> None:
    process = ended(started(warm, tmp_path / "log", **REFUSED))
    here = dict(process.env or {})
    process.env = here | {"PYTEST_CURRENT_TEST": "another", "LIXIAO_HTTP_PORT": "0", "OTEL_TRACES_EXPORTER": "zipkin"}
    assert warm.templates.fit(process)
    process.env = here | {"OTEL_PROPAGATORS": "b3"}
    assert not warm.templates.fit(process)


def test_another_program_or_tree_is_executed(tmp_path: Path) -> None:
    templates = Templates(tmp_path)
    here = Process("archives", [sys.executable, "-m", MODULE], log=tmp_path / "log", cwd=ROOT, env=AWAY)
    assert templates.fit(here)
    for command, folder in (([*here.command, "migrate"], ROOT), (here.command, tmp_path), (["true"], ROOT)):
        assert not templates.fit(Process("other", command, log=tmp_path / "log", cwd=folder, env=AWAY))


def test_the_services_end_with_whoever_started_the_templates(silent: dict[str, str], tmp_path: Path) -> None:
    program = f"""
import pathlib, time
from tests.component.deploy.processes.test_warm_start import Templates, WarmProcess, started
folder = pathlib.Path({str(tmp_path)!r})
WarmProcess.templates = Templates(folder)
process = started(WarmProcess, folder / "log", **{silent!r})
print(process.pid, flush=True)
time.sleep({ENDED_WITHIN_S})
"""
    with subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True) as launcher:
        assert launcher.stdout is not None
        service = psutil.Process(int(launcher.stdout.readline()))
        family = [service, *service.parents()[:2]]
        assert service.is_running()
        launcher.kill()
    assert not psutil.wait_procs(family, timeout=ENDED_WITHIN_S)[1]
