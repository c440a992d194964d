"""A real kube-apiserver on an etcd of its own, for `kubectl apply --dry-run=server`: it admits, and runs nothing."""

import secrets
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import httpx

from deploy.local.processes.ports import LOOPBACK, free_port
from deploy.local.servers.jars import cache_folder
from tests.kubernetes.rendering import program

FOLDER: Final = cache_folder() / "kube-apiserver"
READY_WITHIN_S: Final = 120
UNKNOWN: Final = ("kafka.strimzi.io",)
"""Groups whose definitions are in no registry that can be reached."""


def is_built() -> bool:
    """By `make kube-apiserver`."""
    return (FOLDER / "kube-apiserver").exists()


class ApiServer:
    def __init__(self, port: int, token: str, folder: Path) -> None:
        self._options = ["--server", f"https://{LOOPBACK}:{port}", "--insecure-skip-tls-verify", "--token", token]
        # Without a home kubectl keeps what it read in the current folder.
        self._options += ["--cache-dir", str(folder / "kubectl")]

    def kubectl(self, *arguments: str | Path, text: str | None = None) -> str:
        """Raises SystemExit with what the server says."""
        command = [program("kubectl"), *self._options, *arguments]
        # Of no other cluster's configuration.
        done = subprocess.run(
            command, input=text, capture_output=True, text=True, check=False, env={"KUBECONFIG": "/dev/null"}
        )
        if done.returncode:
            raise SystemExit(f"kubectl {arguments[0]}: {done.stderr[-3000:]}")
        return done.stdout

    def admitted(self, namespace: str, text: str) -> list[str]:
        """The resources, each admitted with its defaults and stored nowhere."""
        arguments = ["apply", "--dry-run=server", "--validate=strict", "--namespace", namespace, "--filename", "-"]
        return self.kubectl(*arguments, text=text).splitlines()


@contextmanager
def api_server() -> Iterator[ApiServer]:
    """With the operators' resource definitions."""
    with tempfile.TemporaryDirectory(prefix="lixiao-apiserver-") as name:
        folder, token = Path(name), secrets.token_urlsafe()
        etcd, peers, port = free_port(), free_port(), free_port()
        (folder / "tokens.csv").write_text(f'{token},admin,1,"system:masters"\n')
        (folder / "tokens.csv").chmod(0o600)
        subprocess.run(["openssl", "genrsa", "-out", folder / "accounts.key", "2048"], check=True, capture_output=True)
        store = f"http://{LOOPBACK}:{etcd}"
        commands: Sequence[Sequence[str | Path]] = (
            [
                FOLDER / "etcd" / "usr" / "bin" / "etcd", "--data-dir", folder / "etcd",
                "--listen-client-urls", store, "--advertise-client-urls", store,
                "--listen-peer-urls", f"http://{LOOPBACK}:{peers}",
            ],
            [
                FOLDER / "kube-apiserver", "--etcd-servers", store, "--secure-port", str(port),
                "--bind-address", LOOPBACK, "--cert-dir", folder / "certificates",
                "--token-auth-file", folder / "tokens.csv", "--authorization-mode", "AlwaysAllow",
                "--disable-admission-plugins", "ServiceAccount", "--service-cluster-ip-range", "10.0.0.0/24",
                "--service-account-issuer", "https://lixiao.test",
                "--service-account-key-file", folder / "accounts.key",
                "--service-account-signing-key-file", folder / "accounts.key",
            ],
        )  # fmt: skip
        started: list[subprocess.Popen[bytes]] = []
        try:
            for command in commands:
                with (folder / f"{Path(command[0]).name}.log").open("wb") as log:
                    started.append(subprocess.Popen(command, stdout=log, stderr=log))
            _wait_ready(port, token, started, folder)
            server = ApiServer(port, token, folder)
            server.kubectl("apply", "--server-side", "--filename", FOLDER / "definitions")
            server.kubectl("wait", "--for=condition=Established", "--all", "crd", "--timeout=60s")
            yield server
        finally:
            for process in reversed(started):
                process.terminate()
                process.wait(30)


def _wait_ready(port: int, token: str, started: Sequence["subprocess.Popen[bytes]"], folder: Path) -> None:
    until = time.monotonic() + READY_WITHIN_S
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(verify=False, headers=headers, timeout=5) as client:
        while time.monotonic() < until and all(process.poll() is None for process in started):
            try:
                if client.get(f"https://{LOOPBACK}:{port}/readyz").status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.3)
    raise SystemExit("kube-apiserver is not ready:\n" + (folder / "kube-apiserver.log").read_text()[-3000:])
