"""What students, staff and other systems do, again and again, each answer looked at."""

import asyncio
import re
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from deploy.local.identity.people import Person
from deploy.local.installation import new_student_id
from tests.support.checker.clients import COHORT
from tests.support.checker.history import Kind, Outcome
from tests.support.checker.observed_installation import ObservedInstallation
from tests.support.checker.workload.knowledge import HEADINGS
from tests.support.checker.workload.races import CARD_ACTIVE
from tests.support.gateway.server import BrowserClient, sign_in
from tests.support.in_process.services import CLEAR
from tests.support.waiting import eventually

ROWS: Final = 25
PAUSE_S: Final = 0.2
IMPORT_EVERY_S: Final = 2.0
LOOK_EVERY_S: Final = 3.0
"""What one clerk may look up is limited."""
SUBMIT_EVERY_S: Final = 3.0
AGAIN_S: Final = 1.0
END_WITHIN_S: Final = 60.0
PAGES: Final = ("/", "/case", "/api/v1/case", "/me")


@dataclass
class Stories:
    """Each raises AssertionError for an answer that nobody should have seen. `again`: a desk asked to send it again."""

    observed: ObservedInstallation
    done: Counter[str] = field(default_factory=Counter)
    again: Counter[str] = field(default_factory=Counter)
    over: asyncio.Event = field(default_factory=asyncio.Event)

    async def change(self, students: list[str], number: int) -> None:
        """A debt and its end at finance's desk."""
        student_id = students[number % len(students)]
        for change in (self.observed.charge, self.observed.waive):
            while await change(student_id, f"U-{number}") is not Outcome.OK:
                status = self._status_of(student_id)
                assert status == 423, f"/operations answered {status or 'nothing'}"
                self.again["change"] += 1
                await asyncio.sleep(AGAIN_S)
            self.done["change"] += 1

    def _status_of(self, student_id: str) -> int:
        operations = self.observed.history.operations
        newest = next(one for one in reversed(operations) if one.student_id == student_id)
        return int(newest.reply.get("status", 0))

    async def read(self, browser: BrowserClient, number: int) -> None:
        address = PAGES[number % len(PAGES)]
        _ok(address, await browser.get(address))
        self.done["page"] += 1

    async def watch(self, browser: BrowserClient, number: int) -> None:
        """The live page: a stream that ends with its gateway is opened again."""
        async with browser.stream("/case/live") as response:
            _ok("/case/live", response)
            self.done["stream"] += 1
            lines = response.aiter_lines()
            while not self.over.is_set():
                try:
                    async with asyncio.timeout(1):
                        await anext(lines)
                except TimeoutError:
                    return
                except (StopAsyncIteration, httpx.RemoteProtocolError):
                    return

    async def look_up(self, clerk: BrowserClient, students: list[str], number: int) -> None:
        """The work list, and a student's record with its history by way of finance's service."""
        page = _ok("/staff/finance", await clerk.get("/staff/finance"))
        token = re.search(r'name="csrf" value="([^"]+)"', page.text)
        assert token, "the work list has no form"
        found = await clerk.post("/staff/finance/student", {"csrf": token[1], "q": students[number % len(students)]})
        _ok("/staff/finance/student", found)
        self.done["desk page"] += 1
        await asyncio.sleep(LOOK_EVERY_S)

    async def send_file(self, number: int) -> None:
        client = self.observed.installation.client("finance")
        rows = "".join(f"{new_student_id()},U-{number},2025-2026,代收水费,10.00,10.00\n" for _ in range(ROWS))
        job = _ok(
            "/imports",
            await client.post("/imports", content=(HEADINGS + rows).encode(), headers={"Content-Type": "text/csv"}),
        ).json()

        async def ended() -> bool:
            nonlocal job
            job = _ok("/imports/…", await client.get(f"/imports/{job['job_id']}")).json()
            return bool(job["state"] not in ("queued", "running"))

        await eventually(ended, what="an import", timeout_s=END_WITHIN_S, poll_s=0.3)
        assert (job["state"], job["rejected"]) == ("done", 0), f"an import ended {job}"
        self.done["import"] += 1
        await asyncio.sleep(IMPORT_EVERY_S)

    async def submit(self, number: int) -> None:
        """Enrolled, a card cancelled by a command to the library, submitted, and shown the form."""
        person = self._person()
        if person is None:
            await self.over.wait()
            return
        student_id = person.student_id or ""
        await self._enrolled(student_id)
        browser = await sign_in(self.observed.installation, person)
        try:
            await self._asked(browser, student_id, "/api/v1/commands/library/cancel-card", "the card to be cancelled")
            await self._asked(browser, student_id, "/api/v1/submission", "every check to pass")
            await self._accepted(browser, student_id)
        finally:
            await browser.close()
        self.done["submission"] += 1
        await asyncio.sleep(SUBMIT_EVERY_S)

    def _person(self) -> Person | None:
        try:
            return self.observed.installation.person()
        except StopIteration:
            return None

    async def _enrolled(self, student_id: str) -> None:
        installation = self.observed.installation
        await installation.enrol(student_id, cohort=COHORT)
        for department, record in {**CLEAR, "library": CARD_ACTIVE}.items():
            await installation.put(department, student_id, record)

    async def _asked(self, browser: BrowserClient, student_id: str, address: str, passed: str) -> None:
        """Refused with what is open as long as the view does not know yet."""
        began_s = time.monotonic()

        async def taken() -> bool:
            answer = await browser.post(address, headers={"X-CSRF-Token": await browser.csrf()})
            assert answer.status_code in (202, 409), f"{address} answered {answer.status_code}: {answer.text}"
            if answer.status_code == 202:
                reply = {"command_id": answer.json()["command_id"]}
                self.observed.history.add(Kind.ASK, student_id, Outcome.OK, began_s=began_s, reply=reply)
            return answer.status_code == 202

        await eventually(taken, what=passed, timeout_s=END_WITHIN_S, poll_s=PAUSE_S)

    async def _accepted(self, browser: BrowserClient, student_id: str) -> None:
        shown: dict[str, Any] = {}

        async def ended() -> bool:
            shown.update(_ok("/api/v1/submission", await browser.get("/api/v1/submission")).json())
            assert not shown["refusal"], f"a submission was refused: {shown}"
            return bool(shown["state"] == "done")

        await eventually(ended, what="a submission", timeout_s=END_WITHIN_S, poll_s=PAUSE_S)
        await self.observed.read_submission(student_id)

    async def signed_in(self) -> BrowserClient:
        person = self.observed.installation.person()
        await self._enrolled(person.student_id or "")
        return await sign_in(self.observed.installation, person)


def _ok(what: str, answer: httpx.Response) -> httpx.Response:
    assert answer.status_code in (200, 201, 202), f"{what} answered {answer.status_code}"
    return answer
