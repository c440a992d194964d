"""Loads the invented students through the services' APIs, each once."""

import asyncio
import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import httpx

from deploy.demo.department_lists import calls_after, list_csv, list_rows
from deploy.demo.students import YEAR, Student
from deploy.local.http_clients import local_client
from deploy.local.processes.process import StartFailed
from deploy.local.running_services import RunningServices
from schemas.flows import CLEARANCE
from services.kit.backoff import Backoff
from services.kit.names import ROSTER

IMPORTS: Final = "/imports"
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

    def is_new(self, name: str) -> bool:
        """Nothing was loaded into this service."""
        return not self.counts.get(name)

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


async def import_roster(services: RunningServices, students: Sequence[Student], advance: Advance) -> None:
    """Raises StartFailed, also when a row was rejected."""
    async with _client(services, CLEARANCE, ROSTER) as client:
        await _import(client, roster_csv(students), "The roster import", advance)


async def import_list(
    services: RunningServices, department: str, students: Sequence[Student], *, covering: bool, advance: Advance
) -> int:
    """What the department's own system has about these students; returns the number of rows.

    `covering`: it is the whole list of the cohort, so that a student without a row is known too. Raises StartFailed.
    """
    rows = list_rows(department, students)
    what = f"The list of {department}"
    async with _client(services, department, department) as client:
        if rows:
            covers = {"covers": str(YEAR)} if covering else {}
            job = await _import(client, list_csv(rows), what, advance, **covers)
            if covering and not job["covered"]:
                raise StartFailed(f"{what} does not cover {YEAR}.")
        elif covering:
            body = {"cohort": str(YEAR), "as_of": datetime.now(UTC).isoformat()}
            await _request(client, "POST", "/coverage", what=what, json=body)
        for one in students:
            for number, call in enumerate(calls_after(department, one)):
                headers = {"Idempotency-Key": f"demo-{call.operation}-{one.student_id}-{number}"}
                body = {"student_id": one.student_id, **call.body}
                path = f"/operations/{call.operation}"
                await _request(client, "POST", path, what=what, json=body, headers=headers)
    return len(rows)


async def _import(
    client: httpx.AsyncClient, content: bytes, what: str, advance: Advance, **options: str
) -> Mapping[str, Any]:
    headers, done = {"Content-Type": "text/csv"}, 0
    job = await _request(client, "POST", IMPORTS, what=what, content=content, headers=headers, params=options)
    try:
        async with asyncio.timeout(IMPORT_TIMEOUT_S):
            while job["state"] in RUNNING:
                await asyncio.sleep(IMPORT_POLL_S)
                job = await _request(client, "GET", f"{IMPORTS}/{job['job_id']}", what=what)
                advance(job["rows_done"] - done)
                done = job["rows_done"]
    except TimeoutError:
        raise StartFailed(f"{what} is at {done} rows after {IMPORT_TIMEOUT_S:g} s.") from None
    if job["rejected"]:
        raise StartFailed(f"{what} rejected {job['rejected']} rows.")
    return job


def roster_csv(students: Sequence[Student]) -> bytes:
    rows = [one.roster_row() for one in students]
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def _client(services: RunningServices, name: str, account: str) -> httpx.AsyncClient:
    headers = {"Authorization": f"Bearer {services.accounts.token(account)}"}
    return local_client(services.address(name), headers=headers, timeout=TIMEOUT_S)


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
