"""A prepared answer is byte for byte the one that is made by way of progress, words and template."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from itertools import product
from typing import Any, NamedTuple, cast
from unittest.mock import Mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from schemas.events import CaseState, StatusChanged
from services.gateway.case.live.live_page import Read
from services.gateway.case.progress import case_progress
from services.gateway.case.usual_case import usual_case
from services.gateway.i18n.catalogue import catalogue
from services.gateway.read_model.student_rows import StudentRows
from services.gateway.read_model.types import SUBMIT, Command, CommandState, ReceivedStatus
from services.gateway.routes.student import case_reads, live_pages, prepared_answers
from services.gateway.routes.student.case_reads import PAGE, TWIN, CaseInput, CaseReads
from services.gateway.routes.student.live_pages import LivePages
from services.gateway.shown.document import ShownPage
from services.gateway.shown.recorder import ShownPages
from services.gateway.tables.visits import NONE, Visit
from services.gateway.web.kept_answers import KeptAnswer, KeptAnswers
from services.gateway.web.renderer import Renderer
from services.kit.clearance_policy import ClearancePolicy
from services.kit.message_format import LANGUAGES
from services.kit.names import OPERATOR, STUDENT
from tests.support.gateway.sessions import session_of_person
from tests.support.samples import case_samples
from tests.support.samples.case_samples import NOW, site

RULE = {
    "checks": ("library.thesis",),
    "when": {"study_form": ("非全日制",)},
    "reason": {"zh": "非全日制", "en": "part-time <b>"},
}
SITE = replace(site(), policy=ClearancePolicy.model_validate({"not_applicable": (RULE,)}))
SAMPLES = (
    case_samples.clear(),
    case_samples.overpaid(),
    case_samples.nearly(),
    case_samples.blocked(),
    case_samples.card_open(),
    case_samples.waiting(),
    case_samples.without_data(),
    case_samples.in_question(),
)
DEPARTMENTS = ("archives", "dorm", "finance", "library")
SAID = {name: [one.statuses[name] for one in SAMPLES if name in one.statuses] for name in DEPARTMENTS}
ROLES: tuple[frozenset[str], ...] = (frozenset(), frozenset({STUDENT}), frozenset({STUDENT, OPERATOR}))
TOKEN, HEARD = b"token-of-nobody", NOW - timedelta(seconds=3)


class Both:
    """The way of the product, whose kept parts live as long as this, and the one without anything prepared."""

    def __init__(self) -> None:
        self.quick, self.plain = (CaseReads(Mock(), Renderer(SITE, case_samples.FOLDER), KeptAnswers()) for _ in "ab")
        self.quick._token = self.plain._token = TOKEN
        self.quick_live, self.plain_live = (_Live() for _ in "ab")

    def answers(self, path: str, given: CaseInput) -> tuple[KeptAnswer | None, KeptAnswer | None]:
        quick = self.quick._made(path, given)
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(case_reads, "usual_case", lambda *_: None)
            return quick, self.plain._made(path, given)

    def live(self, given: CaseInput) -> "tuple[_Sent, _Sent]":
        quick = self.quick_live.sent(given)
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(live_pages, "usual_case", lambda *_: None)
            return quick, self.plain_live.sent(given)


class _Sent(NamedTuple):
    """All that becomes of a live page."""

    html: str
    versions: Mapping[str, int]
    newest: datetime | None
    kept: tuple[str, str, bytes, bytes]


class _Live:
    """What open pages are given, and noted to have been shown."""

    def __init__(self) -> None:
        self._pages = LivePages(Renderer(SITE, case_samples.FOLDER), cast(ShownPages, self))

    def note(self, student_id: str, language: str, page: ShownPage) -> None:
        self.noted = student_id, language, page.digest, page.content

    def sent(self, given: CaseInput) -> _Sent:
        page = self._pages.page(Read(given.rows, (), (), given.now), given.texts)
        page.note_shown(given.visit.session.student_id)
        return _Sent(page.html, page.versions, page.newest, self.noted)


BOTH = Both()
_texts = st.one_of(
    st.sampled_from(["", "欧阳𠮷㛃", "<b>&\"'", "a\n  b", "{student_id}", "\\u0000name\\u0000", "女", "毕业离校"]),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=12),
)
_ago = st.one_of(
    st.integers(0, 200),
    st.integers(0, 400_000_000).map(lambda tenths: tenths / 10),
    st.sampled_from([0.5, 59.999999, 60, 86_400, 86_400 * 200, 86_400 * 500]),
).map(lambda seconds: NOW - timedelta(seconds=seconds))
_days = st.one_of(st.none(), st.dates(date(2019, 1, 1), date(2027, 1, 1)))


def status_text(student_id: str, said: ReceivedStatus, version: int, occurred_at: datetime) -> str:
    status = structs.asdict(said.status) | {"student_id": student_id, "version": version, "occurred_at": occurred_at}
    return StatusChanged.model_validate(status).model_dump_json()


@st.composite
def rows(draw: st.DrawFn) -> StudentRows:
    student_id = draw(st.sampled_from(["TS23170042P31", "ABC", "TS00000001"]))
    # Few shapes, so that most of them come again.
    plain = draw(st.integers(0, 2)) > 0
    heard = [name for name in DEPARTMENTS if plain or draw(st.integers(0, 9))]
    columns: dict[str, list[Any]] = {"statuses": [], "received_at": [], "readable": [], "alive_as_of": []}
    for name in heard:
        text = status_text(
            student_id,
            SAID[name][0] if plain else draw(st.sampled_from(SAID[name])),
            draw(st.integers(1, 2**31 - 1)),
            draw(_ago),
        )
        columns["statuses"].append(draw(st.sampled_from([text] * 18 + [None, text.replace("{", "{ ", 1)])))
        columns["received_at"].append(draw(_ago))
        columns["readable"].append(draw(st.integers(0, 19)) > 0)
        columns["alive_as_of"].append(
            draw(st.sampled_from([NOW - timedelta(seconds=3)] * 18 + [None, NOW - timedelta(1)]))
        )
    own = {
        "student_id": student_id,
        "joined_to": None,
        "case_version": draw(st.integers(1, 2**31 - 1)),
        "state": draw(st.sampled_from([CaseState.OPEN.value] * 15 + [CaseState.COMPLETED.value])),
        **{name: draw(st.one_of(st.none(), _texts)) for name in ("name", "gender", "grade", "college", "major")},
        "leave_category": draw(st.one_of(st.none(), _texts)),
        "enrolled_on": draw(_days),
        "opened_on": draw(st.sampled_from([None, date(2026, 6, 1)])),
        "case_number": draw(st.integers(1, 3)),
        "degree_level": None,
        "campus": draw(st.sampled_from([None, "南湖校区"])),
        "study_form": draw(st.sampled_from([None, "非全日制"])),
        **dict.fromkeys(("exemptions", "attempt_id", "attempt_state", "opened_at", "ended_at", "cause", "forms")),
        **dict.fromkeys(("objections", "answers")),
        "departments": heard or None,
        **{name: column or None for name, column in columns.items()},
    }
    return StudentRows({**own, "alive_as_of": own.pop("alive_as_of")})


@st.composite
def inputs(draw: st.DrawFn) -> CaseInput:
    student = draw(rows())
    assert student.own is not None
    roles = draw(st.sampled_from(ROLES))
    session = replace(session_of_person(student.own["student_id"]), roles=roles)
    return CaseInput(Visit(session, NONE, NONE), student, catalogue(draw(st.sampled_from(LANGUAGES))), NOW)


def same(one: KeptAnswer | None, other: KeptAnswer | None) -> bool:
    if one is None or other is None:
        return one is other
    shown = [(each.shown.digest, each.shown.content) if each.shown else None for each in (one, other)]
    return one.pieces == other.pieces and shown[0] == shown[1]


@pytest.mark.parametrize("path", [PAGE, TWIN])
def test_each_language_role_and_word_of_a_department_has_an_answer_of_its_own(path: str) -> None:
    for language, roles, day, waived in [*product(LANGUAGES, ROLES, (None, date(2026, 6, 1)), (None, "非全日制"))] * 2:
        given_ = usual_input("TS1111111111", language, opened_on=day, study_form=waived)
        visit = replace(given_.visit, session=replace(given_.visit.session, roles=roles))
        assert same(*BOTH.answers(path, replace(given_, visit=visit)))
    for name in DEPARTMENTS:
        for said in SAID[name] * 2:
            own = usual_input("TS1111111111").rows.own or {}
            statuses = dict(zip(own["departments"], own["statuses"], strict=True))
            statuses[name] = status_text("TS1111111111", said, 4, NOW)
            assert same(*BOTH.answers(path, usual_input("TS1111111111", statuses=list(statuses.values()))))


@settings(max_examples=200, deadline=None)
@given(inputs(), st.sampled_from([PAGE, TWIN]))
def test_a_prepared_answer_is_the_one_that_is_made_by_itself(given_: CaseInput, path: str) -> None:
    quick, plain = BOTH.answers(path, given_)
    assert same(quick, plain)


@settings(max_examples=100, deadline=None)
@given(inputs())
def test_what_an_open_page_is_given_is_the_page_that_is_made_by_itself(given_: CaseInput) -> None:
    quick, plain = BOTH.live(given_)
    assert quick == plain


def usual_input(student_id: str, language: str = "zh", **own: Any) -> CaseInput:
    """Clear at every department."""
    said = case_samples.clear().statuses
    row = {
        "student_id": student_id,
        "joined_to": None,
        "case_version": 1,
        "state": CaseState.OPEN.value,
        "case_number": 1,
        **dict.fromkeys(("name", "gender", "grade", "college", "major", "leave_category", "enrolled_on", "opened_on")),
        **dict.fromkeys(("degree_level", "campus", "study_form", "exemptions", "attempt_id", "forms")),
        **dict.fromkeys(("attempt_state", "opened_at", "ended_at", "cause", "objections", "answers")),
        "departments": list(said),
        "statuses": [status_text(student_id, one, 3, NOW) for one in said.values()],
        "received_at": [NOW] * len(said),
        "readable": [True] * len(said),
        "alive_as_of": [HEARD] * len(said),
        **own,
    }
    texts = catalogue("en" if language == "en" else "zh")
    return CaseInput(Visit(session_of_person(student_id), NONE, NONE), StudentRows(row), texts, NOW)


@pytest.mark.parametrize("path", [PAGE, TWIN])
def test_the_second_student_of_a_shape_is_not_put_into_words_again(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    reads = CaseReads(Mock(), Renderer(SITE, case_samples.FOLDER), KeptAnswers())
    first = reads._made(path, usual_input("TS1111111111", name="甲", enrolled_on=date(2021, 9, 1)))
    monkeypatch.setattr(case_reads, "case_progress", Mock(side_effect=AssertionError))
    second = reads._made(path, usual_input("TS2222222222", name="乙", enrolled_on=date(2022, 9, 1)))
    assert first is not None
    assert second is not None
    texts = [b"".join(one.pieces).decode() for one in (first, second)]
    assert ["TS1111111111" in one for one in texts] == [True, False]
    assert ["TS2222222222" in one for one in texts] == [False, True]
    with pytest.raises(AssertionError):
        reads._made(path, usual_input("TS2222222222", "en"))


def test_the_second_open_page_of_a_shape_is_not_put_into_words_again(monkeypatch: pytest.MonkeyPatch) -> None:
    live = _Live()
    live.sent(usual_input("TS1111111111", name="甲"))
    monkeypatch.setattr(live_pages, "case_progress", Mock(side_effect=AssertionError))
    assert "乙" in live.sent(usual_input("TS2222222222", name="乙")).html


def test_what_a_department_said_that_is_no_more_is_on_no_open_page() -> None:
    own = usual_input("TS1111111111").rows.own or {}
    later = SAID["dorm"][0]
    said = status_text("TS1111111111", later, 9, NOW + timedelta(hours=1)).replace('"dorm"', '"sports"', 1)
    columns = ("departments", "statuses", "received_at", "readable", "alive_as_of")
    added = zip(columns, ("sports", said, NOW, True, HEARD), strict=True)
    more: dict[str, Any] = {name: [*own[name], value] for name, value in added}
    given_ = usual_input("TS1111111111", "zh", **more)
    assert usual_case(given_.rows, SITE, NOW) is not None
    quick, plain = BOTH.live(given_)
    assert quick == plain
    assert "sports" not in quick.versions


def test_who_asked_something_has_an_open_page_by_itself() -> None:
    given_ = usual_input("TS1111111111")
    command = Command(case_samples.ATTEMPT, "", SUBMIT, CommandState.ASKED, NOW)
    pages = LivePages(Renderer(SITE, case_samples.FOLDER), Mock())
    quiet, asked = (pages.page(Read(given_.rows, asked, (), NOW), given_.texts).html for asked in ((), (command,)))
    assert quiet != asked


UNUSUAL: dict[str, dict[str, Any]] = {
    "an exemption": {"exemptions": "[]"},
    "a form": {"forms": "[]"},
    "a completed case": {"state": CaseState.COMPLETED.value},
    "a silent department": {"alive_as_of": [HEARD, HEARD, HEARD, NOW - timedelta(days=1)]},
    "a department that never was alive": {"alive_as_of": [HEARD, HEARD, HEARD, None]},
    "an unreadable status": {"readable": [True, True, True, False]},
}


@pytest.mark.parametrize("own", UNUSUAL.values(), ids=UNUSUAL)
def test_any_other_case_is_made_by_itself(own: Mapping[str, Any]) -> None:
    given_ = usual_input("TS1111111111", **own)
    assert usual_case(given_.rows, SITE, NOW) is None
    assert usual_case(usual_input("TS1111111111").rows, SITE, NOW) is not None
    assert usual_case(StudentRows(given_.rows.own, (usual_input("TS2222222222").rows.own or {},)), SITE, NOW) is None


@pytest.mark.parametrize(("commands", "comments"), [("[{}]", NONE), (NONE, "[{}]")])
def test_who_asked_or_wrote_something_has_a_page_by_itself(commands: str, comments: str) -> None:
    visit = usual_input("TS1111111111").visit
    assert visit.is_quiet
    assert not replace(visit, command_rows=commands, comment_rows=comments).is_quiet


def test_prepared_answers_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepared_answers, "_KEPT", 2)
    reads = CaseReads(Mock(), Renderer(SITE, case_samples.FOLDER), KeptAnswers())
    made = Mock(wraps=case_progress)
    monkeypatch.setattr(case_reads, "case_progress", made)
    for day in (1, 2, 1, 3, 1, 2):
        reads._made(PAGE, usual_input("TS1111111111", opened_on=date(2026, 6, day)))
    assert made.call_count == 4, "the least recently used went first"
