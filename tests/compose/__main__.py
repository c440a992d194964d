"""`make test-compose`: deploy/compose is brought up on podman, a student submits through its proxy over TLS, and down.

Needs root, podman, buildah, mmdebstrap and the image of `make image`. The servers' images are made here.
"""

import argparse
import asyncio
import os
import ssl
import tempfile
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from deploy.local.http_clients import local_client
from deploy.local.identity.people import Person
from deploy.local.installation import until
from deploy.local.processes.ports import LOOPBACK
from services.kit.manifests import discover
from tests.compose.installation import PUBLIC_HOST, SIGN_IN_HOST, in_namespace, needs, prepared, resolve
from tests.compose.stack import Stack
from tests.support.gateway.server import BrowserClient, RunningGateway
from tests.support.in_process.services import CLEAR

STEP_WITHIN_S: Final = 180
"""On a loaded machine brokers lose and regain their places at first."""
TARGETS: Final = {"library", "archives", "dorm", "finance", "clearance", "gateway", "notices"}


async def walk(secrets: Path, person: Person) -> None:
    """Enrolled and cleared by tokens of the installation; signed in, submitted and printed through the proxy."""
    student_id = person.student_id or ""
    authority = ssl.create_default_context(cafile=secrets / "proxy" / "authority.pem")

    async def send(method: str, service: str, account: str, path: str, body: Mapping[str, Any]) -> None:
        headers = {"Authorization": f"Bearer {(secrets / 'tokens' / service / account).read_text()}"}
        async with local_client(verify=authority, headers=headers, timeout=30) as client:
            answer = await client.request(method, f"https://{service}:8080{path}", json=body)
        assert answer.is_success, answer.text

    case = {"name": "甲某", "gender": "女", "college": "示例学院", "major": "示例专业", "grade": "2023级"}
    case |= {"enrolled_on": "2023-09-01", "leave_category": "毕业离校"}
    await send("PUT", "clearance", "roster", "/cases", {"student_id": student_id, **case})
    for department in discover():
        covered = {"cohort": "*", "as_of": datetime.now(UTC).isoformat()}
        await send("POST", department, department, "/coverage", covered)
    for department, record in CLEAR.items():
        await send("PUT", department, department, "/records", {"student_id": student_id, "record": record})
    browser = BrowserClient(RunningGateway(f"https://{PUBLIC_HOST}", "", "", (person,)))
    answer = await browser.sign_in(person)
    assert answer.status_code == 303, answer.text

    async def state(wanted: str) -> bool:
        answer = await browser.get("/api/v1/submission")
        # Just after the start the gateway may have no answer yet, and says so.
        return bool(answer.status_code == 200 and answer.json()["state"] == wanted)

    try:
        await until(lambda: state("ready"), "every check to pass", STEP_WITHIN_S)
    except TimeoutError:
        print((await browser.get("/api/v1/case")).text)
        raise
    answer = await browser.post("/api/v1/submission", headers={"X-CSRF-Token": await browser.csrf()})
    assert answer.status_code == 202, answer.text
    await until(lambda: state("done"), "the submission to be accepted", STEP_WITHIN_S)
    form = await browser.get("/me/form.pdf")
    assert form.content.startswith(b"%PDF-"), form.status_code
    assert b"/ETSI.CAdES.detached" in form.content, "the university's signature is not in the PDF"
    await browser.close()


async def doors() -> None:
    """Plain http leads to https."""
    async with local_client(timeout=20) as client:
        plain = await client.get(f"http://{PUBLIC_HOST}/guide")
        assert (plain.status_code, plain.headers["location"]) == (308, f"https://{PUBLIC_HOST}/guide")


async def watched() -> None:
    """Prometheus scrapes every service over TLS, and has the rules."""
    async with local_client("http://127.0.0.1:9090", timeout=20) as client:

        async def all_up() -> bool:
            up = (await client.get("/api/v1/query", params={"query": "up"})).json()["data"]["result"]
            return {one["metric"]["job"] for one in up if one["value"][1] == "1"} == TARGETS

        await until(all_up, "every service to be scraped", STEP_WITHIN_S)
        assert (await client.get("/api/v1/rules")).json()["data"]["groups"]


async def traced() -> None:
    async with local_client("http://127.0.0.1:9411", timeout=20) as client:

        async def seen() -> bool:
            return {"lixiao-gateway", "lixiao-clearance"} <= set((await client.get("/api/v2/services")).json())

        await until(seen, "traces in Zipkin", STEP_WITHIN_S)


def bring_up(image: str, folder: Path) -> None:
    began_s = time.monotonic()
    with prepared(image, folder) as stack:
        stack.up()
        print(f"up after {time.monotonic() - began_s:.0f} s")
        os.environ["SSL_CERT_FILE"] = str(stack.secrets / "proxy" / "authority.pem")
        resolve({PUBLIC_HOST: LOOPBACK, SIGN_IN_HOST: LOOPBACK} | {one: stack.address(one) for one in TARGETS})
        try:
            asyncio.run(used(stack))
        except BaseException:
            stack.logs()
            raise
    took_s = time.monotonic() - began_s
    print(f"{image}: a submission through the proxy over TLS, its form printed and signed; {took_s:.0f} s in all")


async def used(stack: Stack) -> None:
    await walk(stack.secrets, stack.person)
    await doors()
    await watched()
    await traced()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.compose", description=__doc__)
    parser.add_argument("image", nargs="?", default="localhost/lixiao", help="(%(default)s)")
    image = parser.parse_args().image
    needs(image)
    in_namespace("tests.compose")
    with tempfile.TemporaryDirectory(prefix="lixiao-compose-") as folder:
        bring_up(image, Path(folder))


if __name__ == "__main__":
    main()
