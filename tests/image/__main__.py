"""Runs every service from the built image, read-only and without capabilities, and submits as a student.

Needs podman and the image of `deploy/container/build.sh`. Exits with 1 if anything is not as it should be.
"""

import argparse
import asyncio
import logging
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from deploy.local.installation import Installation, until
from deploy.local.processes.process import Process
from deploy.local.servers.kafka import Kafka
from deploy.local.servers.postgres import Postgres
from deploy.local.services import IDENTITY
from schemas.flows import CLEARANCE, GATEWAY
from tests.support.gateway.server import sign_in

USER: Final = 65532
"""The image's."""
CLEAR: Final[dict[str, dict[str, Any]]] = {
    "library": {"card": "cancelled", "thesis": "approved"},
    "archives": {"thesis": "approved"},
    "finance": {"charges": []},
    "dorm": {"residences": []},
}


class ImageInstallation(Installation):
    """The provider of identities, which no university runs, is a process of this machine."""

    image: str = "lixiao"

    def process(self, name: str, *, failpoint: str = "") -> Process:
        process = super().process(name, failpoint=failpoint)
        if name == IDENTITY:
            return process
        variables = {key: value for key, value in self.service(name).environment.items() if key.startswith("LIXIAO_")}
        if "LIXIAO_UNIVERSITY" in variables:
            variables["LIXIAO_UNIVERSITY"] = f"/app/config/universities/{Path(variables['LIXIAO_UNIVERSITY']).name}"
        command = [
            *("podman", "run", "--rm", "--name", f"{self.namespace}-{name}", "--network", "host"),
            *("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--memory", "512m"),
            *("--volume", f"{self.folder}:{self.folder}"),
            *(f"--env={key}" for key in variables),
            *(self.image, name),
        ]
        return replace(process, command=command, env={**os.environ, **variables})


async def walk(installation: Installation) -> None:
    person = installation.person()
    student_id = person.student_id or ""
    await installation.enrol(student_id, name="甲某")
    for department, record in CLEAR.items():
        await installation.put(department, student_id, record)
    await installation.in_step(students=[student_id])
    browser = await sign_in(installation, person)

    async def state(wanted: str) -> bool:
        return bool((await browser.get("/api/v1/submission")).json()["state"] == wanted)

    await until(lambda: state("ready"), "every check to pass", 30)
    answer = await browser.post("/api/v1/submission", headers={"X-CSRF-Token": await browser.csrf()})
    assert answer.status_code == 202, answer.text
    await until(lambda: state("done"), "the submission to be accepted", 30)
    form = await browser.get("/me/form.pdf")
    assert form.content.startswith(b"%PDF-"), form.status_code
    await browser.close()


async def run(image: str, folder: Path) -> None:
    postgres, kafka = Postgres(folder / "servers"), Kafka(folder / "servers")
    for server in (postgres, kafka):
        server.start()
    try:
        for server in (postgres, kafka):
            server.wait_ready()
        installation = ImageInstallation(folder / "installation", postgres=postgres.address, kafka=kafka.address)
        installation.image = image
        await installation.provision()
        try:
            for path in (installation.folder, *installation.folder.rglob("*")):
                os.chown(path, USER, USER)
            await installation.start(*installation.departments, CLEARANCE, IDENTITY, GATEWAY)
            await walk(installation)
        finally:
            await installation.close()
            # A client that was killed leaves its container.
            names = [f"{installation.namespace}-{name}" for name in (*installation.departments, CLEARANCE, GATEWAY)]
            subprocess.run(["podman", "rm", "--force", "--ignore", "--time", "0", *names], check=False)
    finally:
        kafka.stop()
        postgres.stop()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.image", description=__doc__)
    parser.add_argument("image", nargs="?", default="localhost/lixiao", help="(%(default)s)")
    image = parser.parse_args().image
    if shutil.which("podman") is None:
        sys.exit("podman is not installed")
    if subprocess.run(["podman", "image", "exists", image], check=False).returncode:
        sys.exit(f"there is no image {image}: sh deploy/container/build.sh BASE")
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    folder = Path(tempfile.mkdtemp(prefix="lixiao-image-"))
    folder.chmod(0o755)
    try:
        asyncio.run(run(image, folder))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{image}: every service ready, read-only and without capabilities; a submission accepted, its form printed")


if __name__ == "__main__":
    main()
