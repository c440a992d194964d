"""Starting, supervising and stopping processes on one machine, and fetching what they need."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from io import StringIO
from pathlib import Path

import psutil
import pytest
from rich.console import Console

from deploy.local import running_services
from deploy.local.processes.ports import LOOPBACK, free_port, remembered_ports
from deploy.local.processes.process import Process, StartFailed
from deploy.local.processes.state_folder import StateFolder, StateInUse, claim_any, clean
from deploy.local.processes.supervisor import GaveUp, Supervisor, ends_reported
from deploy.local.servers import jars
from deploy.local.servers.kafka import Kafka
from deploy.local.servers.postgres import Postgres
from deploy.local.servers.server import LocalServer, obtain
from deploy.local.servers.zipkin import Zipkin
from tests.support.paths import ROOT

LOCK_LINE = re.compile(r'(\[\[?\w+\]\]?|\w+ = (\w+|"[\w.:+-]+"))?')
"""A heading, or a name and a plain value: neither a path nor an address can be written without a slash."""
FOR_EVER = [sys.executable, "-c", "import signal; signal.pause()"]
BACK_TIMEOUT_S = 60


def program(folder: Path, name: str, source: str) -> Process:
    """A process that runs some Python."""
    return Process(name, [sys.executable, "-c", source], log=folder / f"{name}.log")


def printed(console: Console) -> str:
    """The text on a console that writes to memory."""
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def test_a_port_is_kept_from_run_to_run_and_chosen_around_when_taken(tmp_path: Path) -> None:
    first = remembered_ports(tmp_path, ["port"], 0)
    assert remembered_ports(tmp_path, ["port"], 0) == first
    with HTTPServer((LOOPBACK, first["port"]), BaseHTTPRequestHandler):
        assert remembered_ports(tmp_path, ["port"], first["port"]) != first


def test_a_port_that_another_launcher_is_about_to_take_is_chosen_around(tmp_path: Path) -> None:
    asked = (
        "import sys; from deploy.local.processes.ports import free_port; print(free_port(int(sys.argv[1])), flush=True)"
    )
    hold = "; sys.stdin.read()"
    mine = free_port()
    with subprocess.Popen(
        [sys.executable, "-c", asked + hold, "0"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        theirs = int(other.stdout.readline())
        assert remembered_ports(tmp_path, ["port"], theirs) != {"port": theirs}
        assert free_port(theirs) != theirs
    assert free_port(theirs) == theirs, "what was claimed ends with its process"
    answer = subprocess.run(
        [sys.executable, "-c", asked, str(mine)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert int(answer.stdout) != mine


def test_one_process_draws_no_port_twice() -> None:
    drawn = [running_services._port() for _ in range(500)]
    assert len(set(drawn)) == len(drawn), "a claim keeps out other processes, not this one"


def test_a_program_that_exits_at_once_is_reported_with_its_last_lines(tmp_path: Path) -> None:
    process = program(tmp_path, "hasty", "print('no room at the inn'); raise SystemExit(3)")
    process.start()
    with pytest.raises(StartFailed, match=r"(?s)hasty.*code 3.*no room at the inn"):
        process.wait_until(lambda: False, timeout_s=20)


def test_a_program_that_is_never_ready_is_reported_at_the_deadline(tmp_path: Path) -> None:
    process = program(tmp_path, "slow", "import signal; signal.pause()")
    process.start()
    try:
        with pytest.raises(StartFailed, match="slow: not ready after"):
            process.wait_until(lambda: False, timeout_s=0.2)
    finally:
        process.stop()
    assert process.pid is None


def test_a_program_that_ignores_the_stop_signal_is_killed(tmp_path: Path) -> None:
    deaf = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True)"
    source = f"{deaf}\nwhile True: signal.pause()"
    process = program(tmp_path, "deaf", source)
    process.start()
    process.wait_until(lambda: "deaf" in process.tail(), timeout_s=20)
    process.stop(timeout_s=0.2)
    assert process.poll() == -signal.SIGKILL


def test_a_process_that_exits_is_named_with_its_last_lines_and_restarted(tmp_path: Path) -> None:
    console, deaths = Console(file=StringIO(), width=200), tmp_path / "deaths"
    source = f"""
import pathlib, signal
deaths = pathlib.Path({str(deaths)!r})
if not deaths.exists():
    deaths.touch()
    print("I faint", flush=True)
    raise SystemExit(7)
signal.pause()
"""
    process = program(tmp_path, "fainter", source)
    with Supervisor(console) as supervisor:
        supervisor.add(process)
        process.start()
        deadline_s = time.monotonic() + BACK_TIMEOUT_S
        supervisor.watch(until=lambda: "is back" in printed(console) or time.monotonic() > deadline_s)
        assert process.pid
    assert re.search(r"(?s)fainter exited with code 7.*I faint.*1 of 5.*fainter is back", printed(console))
    assert process.pid is None


def test_a_process_that_exits_too_often_stops_everything(tmp_path: Path) -> None:
    healthy = Process("healthy", FOR_EVER, log=tmp_path / "healthy.log")
    hopeless = program(tmp_path, "hopeless", "raise SystemExit(1)")
    with (
        pytest.raises(GaveUp, match="hopeless exited 3 times"),
        Supervisor(Console(file=StringIO()), restarts=2) as supervisor,
    ):
        for process in (healthy, hopeless):
            supervisor.add(process)
            process.start()
        supervisor.watch()
    assert healthy.pid is None
    assert healthy.poll() is not None


def test_a_folder_that_cannot_be_written_is_named_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    console = Console(file=StringIO(), width=400)
    with pytest.raises(SystemExit) as ended, ends_reported(console), StateFolder(tmp_path / "file" / "demo"):
        pass
    assert ended.value.code == 1
    assert printed(console) == (
        f"{tmp_path / 'file' / 'demo'}: Not a directory. LIXIAO_STATE=/some/folder keeps the state elsewhere.\n"
    )


def test_this_machine_is_asked_without_the_proxy_of_the_environment() -> None:
    class Ready(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()

    with HTTPServer((LOOPBACK, 0), Ready) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            asked = "import sys; from deploy.local.processes.process import answers_ok; print(answers_ok(sys.argv[1]))"
            proxied = os.environ | {"http_proxy": f"http://{LOOPBACK}:1", "no_proxy": ""}
            address = f"http://{LOOPBACK}:{server.server_port}/"
            command = [sys.executable, "-c", asked, address]
            probe = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT, env=proxied)
            assert probe.stdout == "True\n"
            healthy = [sys.executable, str(ROOT / "deploy/container/healthy.py")]
            port = {"LIXIAO_HTTP_PORT": str(server.server_port)}
            subprocess.run(healthy, check=True, env=proxied | port)
        finally:
            server.shutdown()


def test_a_second_launcher_on_one_folder_is_told_which_process_owns_it(tmp_path: Path) -> None:
    with StateFolder(tmp_path / "state"):
        with pytest.raises(StateInUse, match=rf"in use by process {os.getpid()}.*LIXIAO_STATE"):
            StateFolder(tmp_path / "state")
        assert claim_any(tmp_path / "state").folder == tmp_path / "state-2"
    with claim_any(tmp_path / "state") as free_again:
        assert free_again.folder == tmp_path / "state"


@pytest.mark.parametrize("end", [clean, StateFolder])
def test_what_a_killed_launcher_left_running_is_stopped_by_a_clean_and_by_the_next_launcher(
    tmp_path: Path, end: Callable[[Path], object]
) -> None:
    left = Process("left", FOR_EVER, log=tmp_path / "state" / "logs" / "left.log")
    left.start()
    end(tmp_path / "state")
    assert left.poll() is not None


def test_clean_stops_a_launcher_and_removes_its_folder(tmp_path: Path) -> None:
    owns = "import pathlib, signal, sys; from deploy.local.processes.state_folder import StateFolder"
    hold = "folder = StateFolder(pathlib.Path(sys.argv[1])); print('owned', flush=True); signal.pause()"
    with subprocess.Popen(
        [sys.executable, "-c", f"{owns}; {hold}", tmp_path / "state"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as launcher:
        assert launcher.stdout is not None
        launcher.stdout.readline()
        assert clean(tmp_path) == [launcher.pid]
    assert not (tmp_path / "state").exists()


def test_make_refuses_a_folder_of_which_it_would_remove_another(tmp_path: Path) -> None:
    # Not as a part of the `make` that runs the tests, which it would say.
    outside = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    halves = outside | {"LIXIAO_STATE": str(tmp_path / "mine and" / "state")}
    refused = subprocess.run(["make", "-n", "clean"], capture_output=True, text=True, check=False, cwd=ROOT, env=halves)
    assert refused.returncode == 2
    assert "must not have spaces" in refused.stderr
    assert refused.stdout == ""


def test_clean_leaves_the_reader_of_a_log_alone(tmp_path: Path) -> None:
    log = tmp_path / "state" / "some.log"
    log.parent.mkdir()
    log.touch()
    reader = Process("reader", ["tail", "-f", log], log=tmp_path / "elsewhere" / "reader.log")
    reader.start()
    try:
        assert clean(tmp_path / "state") == []
        assert reader.poll() is None
    finally:
        reader.stop()


@pytest.mark.parametrize(
    ("variable", "value", "server"),
    [
        ("LIXIAO_POSTGRES", "postgresql://somebody:word@127.0.0.1:1/postgres", Postgres),
        ("LIXIAO_POSTGRES", "127.0.0.1:5432", Postgres),
        ("LIXIAO_KAFKA", "127.0.0.1:1", Kafka),
        ("LIXIAO_KAFKA", "nonsense", Kafka),
        ("LIXIAO_ZIPKIN", "http://127.0.0.1:1", Zipkin),
    ],
)
def test_a_server_named_in_the_environment_that_is_not_there_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str, value: str, server: type[LocalServer]
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(StartFailed, match=variable):
        obtain(server(tmp_path))


def test_the_lock_file_is_coordinates_with_a_hash_each_and_nothing_of_the_machine_that_made_it() -> None:
    everything = jars.locked("kafka") | jars.locked("zipkin")
    assert len(jars.locked("zipkin")) == 1
    assert all(path.endswith(".jar") for path in everything)
    assert all(re.fullmatch("[0-9a-f]{64}", sha256) for sha256 in everything.values())
    assert [line for line in jars.LOCK_FILE.read_text().splitlines() if not LOCK_LINE.fullmatch(line)] == []


class WrongJars(BaseHTTPRequestHandler):
    """A mirror that answers every request with the same wrong bytes."""

    def do_GET(self) -> None:
        """Answer 200 with something that is no jar of ours."""
        self.send_response(200)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"wrong")

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def test_a_jar_that_differs_from_the_lock_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = HTTPServer((LOOPBACK, 0), WrongJars)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("LIXIAO_CACHE", str(tmp_path))
    monkeypatch.setenv("LIXIAO_MAVEN", f"http://{LOOPBACK}:{server.server_port}")
    try:
        with pytest.raises(StartFailed, match=r"zipkin-server.*does not match.*LIXIAO_MAVEN"):
            jars.ensure("zipkin")
        assert not list(tmp_path.rglob("*.jar"))
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_the_launcher_leaves_no_process_behind(tmp_path: Path, end: signal.Signals) -> None:
    if end == signal.SIGKILL and not sys.platform.startswith("linux"):
        return  # elsewhere the next launcher or `make clean` stops what was left
    environment = {key: value for key, value in os.environ.items() if not key.startswith("LIXIAO_")}
    launcher = subprocess.Popen(
        [sys.executable, "-m", "deploy.local.servers", "up", "postgres"],
        cwd=ROOT,
        env={**environment, "LIXIAO_STATE": str(tmp_path / "state")},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert launcher.stdout is not None
    printed = []
    for line in launcher.stdout:
        printed.append(line)
        if line.startswith("Ready"):
            break
    assert any(line.startswith("export LIXIAO_POSTGRES=") for line in printed), printed
    children = psutil.Process(launcher.pid).children(recursive=True)
    assert children
    launcher.send_signal(end)
    assert launcher.wait(30) == (0 if end != signal.SIGKILL else -signal.SIGKILL)
    launcher.stdout.close()
    assert psutil.wait_procs(children, timeout=20)[1] == []
    clean(tmp_path)
