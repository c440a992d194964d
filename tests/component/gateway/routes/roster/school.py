"""The graduate school at its roster in a browser without scripts: forms are found on the page and sent as they are."""

import html
import re
from dataclasses import dataclass

import httpx

from deploy.local.identity.people import Person
from services.kit.names import GRADUATE_SCHOOL, college_role
from tests.support.gateway.server import BrowserClient

SCHOOL = Person(sub="school", name="顾长宁", roles=(GRADUATE_SCHOOL,))
COUNSELLOR = Person(sub="counsellor", name="简宁", roles=(college_role("观测学院"),))

_FORM = re.compile(r"<form[^>]*?action=\"([^\"]+)\"[^>]*>(.*?)</form>", re.DOTALL)
_CHOICE = re.compile(r'<select[^>]*? name="([^"]+)".*?<option value="([^"]*)" selected', re.DOTALL)
_FIELD = re.compile(r'<input[^>]*? name="([^"]+)"[^>]*? value="([^"]*)"')


@dataclass
class School:
    browser: BrowserClient
    csrf: str
    page: str = ""

    @classmethod
    async def signed_in(cls, browser: BrowserClient, person: Person) -> "School":
        await browser.sign_in(person, place="roster")
        page = (await browser.get("/roster")).text
        found = re.search(r'name="csrf" value="([^"]+)"', page)
        assert found is not None, page
        return cls(browser, found[1], page)

    async def list(self, **filters: str) -> httpx.Response:
        return self._shown(await self.browser.get(f"/roster?{httpx.QueryParams(filters)}"))

    async def search(self, text: str) -> httpx.Response:
        return self._shown(await self.browser.post("/roster/student", {"csrf": self.csrf, "q": text}))

    async def press(self, act: str, **fields: str) -> httpx.Response:
        """The form of the act on the page, with these fields typed over what it begins with."""
        typed = {f"f.{name}": value for name, value in fields.items()}
        return self._shown(await self.browser.post("/roster/change", {**self.form(act), **typed}))

    def form(self, act: str) -> dict[str, str]:
        for _, content in _FORM.findall(self.page):
            fields = {
                name: html.unescape(value) for name, value in (*_FIELD.findall(content), *_CHOICE.findall(content))
            }
            if fields.get("act") == act:
                return fields
        raise AssertionError(f"no form to {act} on the page")

    async def add(self, number: str, **fields: str) -> httpx.Response:
        typed = {f"f.{name}": value for name, value in fields.items()}
        return self._shown(await self.browser.post("/roster/new", {"csrf": self.csrf, "student": number, **typed}))

    def _shown(self, answer: httpx.Response) -> httpx.Response:
        self.page = answer.text
        return answer


def fields_of(name: str, **other: str) -> dict[str, str]:
    return {
        "name": name,
        "gender": "女",
        "college": "观测学院",
        "major": "测绘工程",
        "grade": "2023级",
        "enrolled_on": "2023-09-01",
        "leave_category": "毕业离校",
        "cohort": "2026",
        **other,
    }
