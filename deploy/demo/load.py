"""Brings the invented cohort in through the services' own doors: records by the desks' PUT, the roster by its import.

What was loaded is noted, so that a second start loads nothing and a larger cohort only what is new.
"""

import asyncio
import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import httpx

from deploy.demo.students import Student
from deploy.local.credentials import Accounts
from deploy.local.processes.process import StartFailed
from services.kit.names import ROSTER

ROSTER_IMPORTS: Final = "/imports"
AT_ONCE: Final = 2
TIMEOUT_S: Final = 30.0
TRIES: Final = 5
IMPORT_POLL_S: Final = 0.2
IMPORT_TIMEOUT_S: Final = 300.0
UNDERWAY: Final = ("queued", "running")
Progress = Callable[[int], None]


class Ledger:
    """How many students each service was given, counted from the first."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.given: dict[str, int] = json.loads(file.read_text()) if file.exists() else {}

    def forget(self, names: Sequence[str]) -> None:
        """Their databases are new: they were given nothing."""
        for name in names:
            self.given.pop(name, None)
        self._write()

    def missing(self, name: str, students: Sequence[Student]) -> Sequence[Student]:
        """The students `name` was not given yet."""
        return students[self.given.get(name, 0) :]

    def note(self, name: str, count: int) -> None:
        """`name` now has the first `count` students."""
        self.given[name] = max(count, self.given.get(name, 0))
        self._write()

    def _write(self) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        partial = self.file.with_suffix(".partial")
        partial.write_text(json.dumps(self.given))
        partial.replace(self.file)


async def load_records(
    department: str, address: str, accounts: Accounts, students: Sequence[Student], advance: Progress
) -> None:
    """PUT the starting record of each student; every one has one for this department. Raises StartFailed."""
    async with _client(address, accounts.token(department)) as client:

        async def work(mine: Sequence[Student]) -> None:
            for one in mine:
                body = {"student_id": one.student_id, "record": one.records[department]}
                await _sent(client, "PUT", "/records", what=f"{department}: a starting record", json=body)
                advance(1)

        await asyncio.gather(*(work(students[lane::AT_ONCE]) for lane in range(AT_ONCE)))


async def import_roster(address: str, accounts: Accounts, students: Sequence[Student], advance: Progress) -> None:
    """Import the roster as a CSV and wait until every row is done. Raises StartFailed when one was rejected."""
    what, done = "The roster's import", 0
    async with _client(address, accounts.token(ROSTER)) as client:
        headers = {"Content-Type": "text/csv"}
        job = await _sent(client, "POST", ROSTER_IMPORTS, what=what, content=roster_csv(students), headers=headers)
        try:
            async with asyncio.timeout(IMPORT_TIMEOUT_S):
                while job["state"] in UNDERWAY:
                    await asyncio.sleep(IMPORT_POLL_S)
                    job = await _sent(client, "GET", f"{ROSTER_IMPORTS}/{job['job_id']}", what=what)
                    advance(job["rows_done"] - done)
                    done = job["rows_done"]
        except TimeoutError:
            raise StartFailed(f"{what} is at {done} rows after {IMPORT_TIMEOUT_S:g} s.") from None
    if job["rejected"]:
        raise StartFailed(f"{what} rejected {job['rejected']} rows.")


def roster_csv(students: Sequence[Student]) -> bytes:
    """The roster of at least one student, as a file a registrar would send."""
    rows = [one.roster_row() for one in students]
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def _client(address: str, token: str) -> httpx.AsyncClient:
    headers = {"Authorization": f"Bearer {token}"}
    # A proxy of the environment is not for this machine's own addresses.
    return httpx.AsyncClient(base_url=address, headers=headers, timeout=TIMEOUT_S, trust_env=False)


async def _sent(client: httpx.AsyncClient, method: str, path: str, *, what: str, **request: Any) -> Mapping[str, Any]:
    """The JSON of a successful answer. Repeats what the moment refused: every request here may be repeated."""
    said = ""
    for attempt in range(1, TRIES + 1):
        try:
            answer = await client.request(method, path, **request)
        except httpx.TransportError as error:
            said = type(error).__name__
        else:
            if answer.is_success:
                return dict(answer.json())
            said = f"{answer.status_code} {answer.text[:500]}"
            if answer.status_code < 500 and answer.status_code not in (423, 429):
                break
        await asyncio.sleep(attempt * 0.5)
    raise StartFailed(f"{what} was not taken by {client.base_url}{path}: {said}")
