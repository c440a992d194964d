"""A university is a folder of configuration: an invented one renders every page, and nothing of another shows."""

from types import SimpleNamespace
from typing import Any

import pytest

from services.gateway.page import House
from services.gateway.present import present
from services.gateway.reading import Reading, Unread
from services.gateway.render import Renderer
from services.gateway.texts import catalogue
from services.gateway.university import CONFIGURATIONS, departments, load
from services.kit.departments import SERVICES
from tests.unit import gateway_samples as samples

FOLDER = CONFIGURATIONS / "lakeside"
HOUSE = House(load(FOLDER), departments(FOLDER, SERVICES), 60)
RENDERER = Renderer(HOUSE, FOLDER)
SESSION: Any = SimpleNamespace(csrf="a token")
READINGS = {
    "clear": samples.clear(),
    "blocked": samples.blocked(),
    "waiting": samples.waiting(),
    "completed": samples.completed(),
    "away": Unread(samples.NOW),
}


def rendered(reading: Reading | Unread, language: str) -> str:
    texts = catalogue("en" if language == "en" else "zh")
    page = present(reading, (), house=HOUSE, texts=texts, now=samples.NOW)
    pages = [
        RENDERER.page("case.html", texts, session=SESSION, back="/case", page=page),
        RENDERER.page("guide.html", texts, session=None, back="/", kept=False),
    ]
    if page.form:
        values: dict[str, Any] = {"page": page, "form": page.form, "square": ""}
        pages.append(RENDERER.page("completed.html", texts, session=SESSION, back="/completed", **values))
    return "".join(pages)


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("reading", READINGS.values(), ids=READINGS)
def test_an_invented_university_renders_every_page(reading: Reading | Unread, language: str) -> None:
    html = rendered(reading, language)
    assert ("Lakeside University" if language == "en" else "镜湖大学") in html
    for foreign in ("矿", "CUMT", "313963892", "0516-83592019", "2020届"):
        assert foreign not in html


def test_its_titles_phones_and_notice_are_laid_over_the_departments_own() -> None:
    html = rendered(samples.blocked(), "zh")
    for own in ("镜湖图书馆", "借阅", "tel:09915550111", 'href="https://pay.lakeside.example/"', "logo."):
        assert own in html


def test_its_clock_is_its_campus() -> None:
    assert "08:32" in rendered(samples.clear(), "zh")


def test_what_a_department_sends_is_text_and_never_markup() -> None:
    hostile = samples.dorm([{**samples.ROOM, "room": "<script>alert(1)</script>", "handler": '"><img src=x>'}])
    reading = Reading(samples.case(name="<b>名"), {**samples.clear().heard, "dorm": hostile})
    html = rendered(reading, "zh")
    assert "<script>alert" not in html
    assert "<img src=x>" not in html
    assert "&lt;b&gt;名" in html
