"""A clerk at a desk in a browser without scripts: forms are found on the page and sent as they are."""

import html
import re
from dataclasses import dataclass

import httpx

from deploy.local.identity.people import Person
from deploy.local.installation import new_student_id
from services.kit.names import CERTIFICATE_DESK
from tests.support.gateway.server import BrowserClient
from tests.support.gateway.staff import clerk

LIBRARY = clerk("library", name="方石")
FINANCE = clerk("finance", name="卫澜")
EVERYWHERE = clerk("library", "finance", "dorm", "archives", name="时雨")
CERTIFICATES = Person(sub="certificates", name="钱映雪", roles=(CERTIFICATE_DESK,))
STUDENT = Person(sub="a-student", name="虚构学生", student_id=new_student_id())
STUDENTS = tuple(
    Person(sub=f"student-{number}", name=f"虚构学生{number}", student_id=new_student_id()) for number in range(8)
)
"""One for each test: a student's comments are counted."""

_FORM = re.compile(r"<form[^>]*?action=\"([^\"]+)\"[^>]*>(.*?)</form>", re.DOTALL)
_HIDDEN = re.compile(r'<input type="hidden" name="([^"]+)" value="([^"]*)">')


@dataclass
class AtWork:
    browser: BrowserClient
    address: str
    csrf: str
    page: str = ""

    @classmethod
    async def signed_in(cls, browser: BrowserClient, person: Person, department: str) -> "AtWork":
        await browser.sign_in(person, place="staff")
        address = f"/staff/{department}"
        page = (await browser.get(address)).text
        found = re.search(r'name="csrf" value="([^"]+)"', page)
        assert found is not None, page
        return cls(browser, address, found[1], page)

    async def list(self, **filters: str) -> httpx.Response:
        return self._shown(await self.browser.get(f"{self.address}?{httpx.QueryParams(filters)}"))

    async def search(self, text: str) -> httpx.Response:
        return self._shown(await self.browser.post(f"{self.address}/student", {"csrf": self.csrf, "q": text}))

    async def press(self, operation: str, anchor: str = "", **fields: str) -> httpx.Response:
        """The form of the operation on the page, with these fields typed in."""
        address, hidden = self.form(operation, anchor or operation)
        typed = {f"f.{name}": value for name, value in fields.items()}
        return self._shown(await self.browser.post(address, {**hidden, **typed}))

    async def note(self, text: str) -> httpx.Response:
        address, content = next(each for each in _FORM.findall(self.page) if each[0].endswith("/note"))
        hidden = {name: html.unescape(value) for name, value in _HIDDEN.findall(content)}
        return self._shown(await self.browser.post(address, {**hidden, "text": text}))

    async def answer(self, text: str, **other: str) -> httpx.Response:
        """The open comment on the page."""
        address, content = next(each for each in _FORM.findall(self.page) if each[0].endswith("/comment"))
        hidden = {name: html.unescape(value) for name, value in _HIDDEN.findall(content)}
        return self._shown(await self.browser.post(address, {**hidden, "text": text, **other}))

    async def undo(self, reason: str, entry: int = 0) -> httpx.Response:
        """The entry on the page, the newest of those that can be undone by default."""
        found = [(address, content) for address, content in _FORM.findall(self.page) if address.endswith("/undo")]
        assert found, "nothing on the page can be undone"
        address, content = found[entry]
        hidden = {name: html.unescape(value) for name, value in _HIDDEN.findall(content)}
        return self._shown(await self.browser.post(address, {**hidden, "reason": reason}))

    def form(self, operation: str, anchor: str) -> tuple[str, dict[str, str]]:
        for address, content in _FORM.findall(self.page):
            hidden = {name: html.unescape(value) for name, value in _HIDDEN.findall(content)}
            if (hidden.get("operation"), hidden.get("anchor")) == (operation, anchor):
                return address, hidden
        raise AssertionError(f"no form of {operation} ({anchor}) on the page")

    def _shown(self, answer: httpx.Response) -> httpx.Response:
        self.page = answer.text
        return answer
