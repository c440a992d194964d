"""Loads the invented students through the services' APIs, each once."""

import asyncio
import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import httpx

from deploy.demo.students import Student
from deploy.local.processes.process import StartFailed
from deploy.local.running_services import RunningServices
from schemas.flows import CLEARANCE
from services.kit.backoff import Backoff
from services.kit.names import ROSTER

ROSTER_IMPORTS: Final = "/imports"
CONCURRENCY: Final = 2
TIMEOUT_S: Final = 30.0
TRIES: Final = 5
RETRY_S: Final = (0.5, 4.0)
IMPORT_POLL_S: Final = 0.2
IMPORT_TIMEOUT_S: Final = 300.0
RUNNING: Final = ("queued", "running")
Advance = Callable[[int], None]


class Ledger:
    """Students each service has, counted from the first."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.counts: dict[str, int] = json.loads(file.read_text()) if file.exists() else {}

    def forget(self, names: Sequence[str]) -> None:
        for name in names:
            self.counts.pop(name, None)
        self._write()

    def missing(self, name: str, students: Sequence[Student]) -> Sequence[Student]:
        return students[self.counts.get(name, 0) :]

    def note(self, name: str, count: int) -> None:
        self.counts[name] = max(count, self.counts.get(name, 0))
        self._write()

    def _write(self) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        partial = self.file.with_suffix(".partial")
        partial.write_text(json.dumps(self.counts))
        partial.replace(self.file)


async def load_records(services: RunningServices, students: Mapping[str, Sequence[Student]], advance: Advance) -> None:
    """Raises StartFailed."""

    async def load(department: str, share: Sequence[Student]) -> None:
        async with _client(services, department, department) as client:
            for one in share:
                body = {"student_id": one.student_id, "record": one.records[department]}
                await _request(client, "PUT", "/records", what=f"A starting record of {department}", json=body)
                advance(1)

    await asyncio.gather(
        *(load(name, each[start::CONCURRENCY]) for name, each in students.items() for start in range(CONCURRENCY))
    )


async def import_roster(services: RunningServices, students: Sequence[Student], advance: Advance) -> None:
    """Raises StartFailed, also when a row was rejected."""
    what, done = "The roster import", 0
    async with _client(services, CLEARANCE, ROSTER) as client:
        headers = {"Content-Type": "text/csv"}
        job = await _request(client, "POST", ROSTER_IMPORTS, what=what, content=roster_csv(students), headers=headers)
        try:
            async with asyncio.timeout(IMPORT_TIMEOUT_S):
                while job["state"] in RUNNING:
                    await asyncio.sleep(IMPORT_POLL_S)
                    job = await _request(client, "GET", f"{ROSTER_IMPORTS}/{job['job_id']}", what=what)
                    advance(job["rows_done"] - done)
                    done = job["rows_done"]
        except TimeoutError:
            raise StartFailed(f"{what} is at {done} rows after {IMPORT_TIMEOUT_S:g} s.") from None
    if job["rejected"]:
        raise StartFailed(f"{what} rejected {job['rejected']} rows.")


def roster_csv(students: Sequence[Student]) -> bytes:
    rows = [one.roster_row() for one in students]
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def _client(services: RunningServices, name: str, account: str) -> httpx.AsyncClient:
    headers = {"Authorization": f"Bearer {services.accounts.token(account)}"}
    # A proxy from the environment is not for this machine's own addresses.
    return httpx.AsyncClient(base_url=services.address(name), headers=headers, timeout=TIMEOUT_S, trust_env=False)


async def _request(
    client: httpx.AsyncClient, method: str, path: str, *, what: str, **request: Any
) -> Mapping[str, Any]:
    """Retries: every request here is idempotent."""
    error, backoff = "", Backoff(*RETRY_S)
    for _ in range(TRIES):
        try:
            answer = await client.request(method, path, **request)
        except httpx.TransportError as raised:
            error = type(raised).__name__
        else:
            if answer.is_success:
                return dict(answer.json())
            error = f"{answer.status_code} {answer.text[:500]}"
            if answer.status_code < 500 and answer.status_code not in (423, 429):
                break
        await backoff.wait()
    raise StartFailed(f"{what} was refused by {client.base_url}{path}: {error}")
