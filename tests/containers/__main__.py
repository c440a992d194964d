"""`make test-containers`: `pytest --containers` on podman, for the tests of what a broker and a database must keep to.

Testcontainers speaks to podman's socket as to Docker's. The images are made here, of the servers of
`make test-compose`, to be started as PostgreSQL's and Confluent's own are; with LIXIAO_TEST_POSTGRES_IMAGE and
LIXIAO_TEST_KAFKA_IMAGE it takes those. Needs root, podman, buildah and mmdebstrap.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.compose.images import build_servers
from tests.compose.installation import in_namespace
from tests.support.paths import ROOT
from tests.support.servers.containers import KAFKA_IMAGE, KAFKA_VARIABLE, POSTGRES_IMAGE, POSTGRES_VARIABLE

IMAGES: Final = Path(__file__).with_name("images")
CHOSEN: Final = (
    "tests/component/kit/postgres",
    "tests/component/kit/messaging/consumer",
    "tests/component/kit/messaging/test_order.py",
    "tests/component/kit/messaging/test_relay.py",
    "tests/component/clearance/app",
    "tests/component/interfaces",
)
LIMITS: Final = ("nofile=16384:16384", "nproc=1024:1024")
SOCKET_WITHIN_S: Final = 20


def built(kind: str, tag: str) -> str:
    """The name of an image made of the servers' image."""
    name = f"localhost/lixiao-test-{kind}:{tag}"
    command = ["buildah", "build", "--quiet", "--build-arg", f"BASE={build_servers()}", "--tag", name]
    file = ["--file", str(IMAGES / f"{kind}.Containerfile"), str(IMAGES)]
    subprocess.run([*command, *file], check=True, stdout=subprocess.DEVNULL)
    return name


@contextmanager
def podman_socket() -> Iterator[Path]:
    """Where podman answers as Docker does."""
    with tempfile.TemporaryDirectory(prefix="lixiao-podman-") as folder:
        socket, configuration = Path(folder) / "podman.sock", Path(folder) / "containers.conf"
        # Podman asks for more than a machine that is a container itself may grant.
        configuration.write_text(f"[containers]\ndefault_ulimits = {list(LIMITS)}\n")
        command = ["podman", "--log-level", "fatal", "system", "service", "--time", "0", f"unix://{socket}"]
        environment = {**os.environ, "CONTAINERS_CONF": str(configuration)}
        service = subprocess.Popen(command, env=environment, start_new_session=True, stderr=subprocess.DEVNULL)
        try:
            until = time.monotonic() + SOCKET_WITHIN_S
            while not socket.exists() and time.monotonic() < until:
                time.sleep(0.1)
            yield socket
        finally:
            service.terminate()
            service.wait(10)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.containers", description=__doc__)
    parser.add_argument("tests", nargs="*", default=CHOSEN, help="files, folders and options of pytest")
    chosen = parser.parse_args().tests
    in_namespace("tests.containers")
    images = {
        POSTGRES_VARIABLE: os.environ.get(POSTGRES_VARIABLE) or built("postgres", POSTGRES_IMAGE.partition(":")[2]),
        KAFKA_VARIABLE: os.environ.get(KAFKA_VARIABLE) or built("kafka", KAFKA_IMAGE.partition(":")[2]),
    }
    with podman_socket() as socket:
        environment = {
            **os.environ,
            **images,
            "DOCKER_HOST": f"unix://{socket}",
            # Its helper that removes what is left over is one more image; here the session removes its containers.
            "TESTCONTAINERS_RYUK_DISABLED": "true",
            # On a machine that is a container itself it would look for the way to its host.
            "TESTCONTAINERS_CONNECTION_MODE": "docker_host",
            "TESTCONTAINERS_HOST_OVERRIDE": "127.0.0.1",
        }
        command = [sys.executable, "-m", "pytest", "-n", "0", "--containers", *chosen]
        return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode


if __name__ == "__main__":
    raise SystemExit(main())
