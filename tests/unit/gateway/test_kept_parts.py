"""The case page is put together from parts that are kept for several students: each page is as if made by itself."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from markupsafe import Markup

from services.gateway.case.present import present
from services.gateway.case.progress import case_progress
from services.gateway.case.view_model import CasePage, CheckView, Freshness
from services.gateway.case.wording import ViewContext
from services.gateway.i18n.catalogue import catalogue
from services.gateway.read_model.types import StudentSnapshot
from services.gateway.tables.sessions.session import Session
from services.gateway.web.renderer import Renderer
from services.kit.message_format import LANGUAGES, Language
from services.kit.names import OPERATOR, STUDENT
from tests.support.gateway.sessions import session_of_person
from tests.support.samples import case_samples
from tests.support.samples.case_samples import NOW, site

RENDERER, FORGETFUL = Renderer(site(), case_samples.FOLDER), Renderer(site(), case_samples.FOLDER)
SNAPSHOTS = {
    "clear": case_samples.clear(),
    "blocked": case_samples.blocked(),
    "waiting": case_samples.waiting(),
    "completed": case_samples.completed(),
}


def page_of(snapshot: StudentSnapshot, language: Language = "zh") -> CasePage:
    return present(ViewContext(site(), catalogue(language), NOW), case_progress(snapshot, (), site(), NOW))


def made_anew(page: CasePage, language: Language, session: Session) -> str:
    FORGETFUL._line_parts.cache_clear()
    FORGETFUL._freshness_html.cache_clear()
    texts = catalogue(language)
    live = Markup(FORGETFUL.live(page, texts))
    return FORGETFUL.html(
        "case.html", texts, session=session, back="/case", standing=page.standing, applied_on=page.applied_on, live=live
    )


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("roles", [frozenset(), frozenset({STUDENT}), frozenset({STUDENT, OPERATOR})])
def test_a_page_with_kept_parts_is_the_one_that_is_made_by_itself(language: Language, roles: frozenset[str]) -> None:
    for number, snapshot in enumerate([*SNAPSHOTS.values(), *SNAPSHOTS.values()]):
        session = replace(session_of_person(f"TS000000{number:04d}"), roles=roles, csrf=f"<token {number}>")
        page = page_of(snapshot, language)
        assert RENDERER.case(page, catalogue(language), session) == made_anew(page, language, session)


def test_a_page_names_no_student_but_its_own() -> None:
    first = replace(session_of_person("TS1111111111"), csrf="token of the first")
    second = replace(session_of_person("TS2222222222"), csrf="token of the second")
    page, texts = page_of(case_samples.clear()), catalogue("zh")
    for mine, others in ((first, second), (second, first)):
        html = RENDERER.case(page, texts, mine)
        assert mine.student_id in html
        assert f"…{mine.student_id[-6:]}" in html
        assert mine.csrf in html
        assert others.student_id[-6:] not in html
        assert others.csrf not in html
        assert "\x00" not in html


def line_of(page: CasePage) -> tuple[CheckView, Freshness]:
    line = next(one for group in page.groups for one in group.lines if one.freshness)
    assert line.freshness is not None
    return line, line.freshness


@pytest.mark.parametrize(
    "name", [name for name in Freshness.__dataclass_fields__ if name not in ("true_at", "received_at")]
)
def test_a_line_shows_each_word_of_its_times_and_has_another_mark(name: str) -> None:
    line, times = line_of(page_of(case_samples.clear()))
    before = RENDERER._line_html(line, "zh")
    others: dict[str, Any] = {name: "另一句"}
    after = RENDERER._line_html(replace(line, freshness=replace(times, **others)), "zh")
    assert "另一句" in after
    assert "另一句" not in before
    assert marks(before) != marks(after)


def test_a_line_shows_later_times_though_nothing_else_is_new() -> None:
    clear = case_samples.clear()
    later = {
        name: replace(one, received_at=one.received_at + timedelta(hours=1)) for name, one in clear.statuses.items()
    }
    (line, times), (changed, new_times) = line_of(page_of(clear)), line_of(page_of(replace(clear, statuses=later)))
    assert replace(line, freshness=None) == replace(changed, freshness=None)
    before, after = RENDERER._line_html(line, "zh"), RENDERER._line_html(changed, "zh")
    assert times.received_at.exact in before
    assert before.count(new_times.received_at.exact) == 0
    assert after.count(new_times.received_at.exact) == 1
    assert marks(before) != marks(after)


def marks(html: str) -> str:
    return html.partition('data-mark="')[2].partition('"')[0]
