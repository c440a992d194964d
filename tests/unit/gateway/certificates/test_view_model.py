"""What the certificate desk sees: one verdict, in both languages, and nothing of anybody behind a form that is not."""

from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from schemas.events import Reason, TakenBy
from services.clearance.roster.form_differences import REASON_CODES
from services.gateway.case.decision import CheckState
from services.gateway.case.wording import ViewContext
from services.gateway.certificates.handover import Outcome, fingerprint
from services.gateway.certificates.verification import Finding, VerificationResult
from services.gateway.certificates.view_model import _ERRORS, DeskPage, Pressed, desk_page, handover_lines
from services.gateway.i18n.catalogue import catalogue
from services.gateway.read_model.types import (
    CertificateIssue,
    FormVoid,
    IssuedCertificate,
    IssueUndo,
    OpenException,
    PublishedSubmission,
    SubmissionRecord,
)
from services.gateway.web.renderer import Renderer
from services.kit.names import CERTIFICATE_DESK
from tests.support.samples import case_samples
from tests.support.samples.case_samples import NOW

COMMAND = UUID(int=7)
RENDERER = Renderer(case_samples.site(), case_samples.FOLDER)
SESSION: Any = SimpleNamespace(csrf="a token", roles=frozenset({CERTIFICATE_DESK}), student_id="")
ISSUE = CertificateIssue(NOW - timedelta(days=1), "clerk-1", TakenBy.PROXY, "司马䶮", UUID(int=1))
TAKEN_AWAY = OpenException(
    "finance 4", "finance", (Reason(code="arrears", parameters={"count": 1, "total": "60.00"}),), NOW
)


def registered(**changes: Any) -> SubmissionRecord:
    submission = case_samples.completed().submission
    assert submission is not None
    record = PublishedSubmission("TS23170042P31", submission.form_number, "7KQ4-M2XD", NOW, "a.b.c", submission.facts)
    return replace(SubmissionRecord(record, submission), **changes)


def page(
    finding: Finding = Finding.GENUINE, one: SubmissionRecord | None = None, language: str = "zh", **more: Any
) -> DeskPage:
    texts = catalogue("en" if language == "en" else "zh")
    student = case_samples.case() if finding in (Finding.GENUINE, Finding.BY_NUMBER) else None
    context = ViewContext(case_samples.site(), texts, NOW)
    return desk_page(context, VerificationResult(finding, student), one or registered(), command_id=COMMAND, **more)


def html(shown: DeskPage | None, language: str = "zh", handed: tuple[IssuedCertificate, ...] = ()) -> str:
    texts = catalogue("en" if language == "en" else "zh")
    lines = handover_lines(ViewContext(case_samples.site(), texts, NOW), handed)
    answer = RENDERER.page(
        "desk.html",
        texts,
        session=SESSION,
        back="/desk",
        page=shown,
        handovers=lines,
        holders=(),
        clerk_name="方石",
        colleges=(),
        documents=True,
    )
    return bytes(answer.body).decode()


def test_a_genuine_form_is_green_and_offers_to_hand_over() -> None:
    shown = page()
    assert (shown.state, shown.verdict, shown.offered) == (CheckState.CLEAR, "真实有效", True)
    text = html(shown)
    assert "欧阳𠮷㛃" in text
    assert "南湖校区" in text


@pytest.mark.parametrize("finding", [Finding.ALTERED, Finding.DIFFERS, Finding.UNKNOWN, Finding.UNREADABLE])
@pytest.mark.parametrize("language", ["zh", "en"])
def test_what_is_not_genuine_is_not_green_and_shows_nobody(finding: Finding, language: str) -> None:
    shown = page(finding, language=language)
    assert shown.state is not CheckState.CLEAR
    assert (shown.form, shown.student, shown.offered) == (None, (), False)
    assert "欧阳" not in html(shown, language)


def test_what_was_collected_is_red_and_says_who_when_and_by_whom() -> None:
    shown = page(one=registered(issues=(ISSUE,)))
    assert (shown.state, shown.verdict, shown.offered) == (CheckState.BLOCKED, "此前已经领取", False)
    for words in ("2026年6月7日", "clerk-1", "代领人：司马䶮"):
        assert words in shown.sentence


def test_ones_own_handing_over_is_green() -> None:
    shown = page(one=registered(issues=(ISSUE,)), pressed=Pressed(Outcome.ISSUED))
    assert (shown.state, shown.verdict) == (CheckState.CLEAR, "已登记领取")


def test_an_open_exception_is_red_with_the_departments_reason_and_phone() -> None:
    shown = page(one=registered(exceptions=(TAKEN_AWAY,)))
    assert (shown.state, shown.verdict) == (CheckState.BLOCKED, "提交后有新增未办事项")
    assert "60.00" in shown.exceptions[0].reasons[0]
    assert any(part.dial for part in shown.exceptions[0].phones)
    text = html(shown)
    assert 'name="confirm" value="finance 4"' in text
    assert 'name="reason"' in text
    assert shown.seen == fingerprint((TAKEN_AWAY,)) != fingerprint(())


@pytest.mark.parametrize("code", ["no-data", "open-question"])
@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_department_that_does_not_know_any_more_is_an_exception_in_the_clerks_words(code: str, language: str) -> None:
    unknown = replace(TAKEN_AWAY, reasons=(Reason(code=code),))
    shown = page(one=registered(exceptions=(unknown,)), language=language)
    assert shown.state is CheckState.BLOCKED
    (sentence,) = shown.exceptions[0].reasons
    assert ("这名学生" if language == "zh" else "this student") in sentence
    assert any(part.dial for part in shown.exceptions[0].phones)
    assert sentence in html(shown, language)


def test_a_department_that_is_gone_still_shows_that_there_is_something() -> None:
    shown = page(one=registered(exceptions=(replace(TAKEN_AWAY, department="canteen"),)))
    assert (shown.state, shown.exceptions[0].department) == (CheckState.BLOCKED, "canteen")


def test_an_outcome_not_known_yet_is_grey_and_offers_only_to_look_again() -> None:
    shown = page(pressed=Pressed(Outcome.PENDING, TakenBy.PROXY, "<司马>"))
    assert (shown.state, shown.offered, shown.pending) == (CheckState.WAITING, False, "issue")
    text = html(shown)
    assert str(COMMAND) in text
    assert 'value="&lt;司马&gt;"' in text
    assert 'type="radio"' not in text


@pytest.mark.parametrize("outcome", sorted(_ERRORS))
@pytest.mark.parametrize("language", ["zh", "en"])
def test_what_was_not_asked_for_says_why(outcome: Outcome, language: str) -> None:
    shown = page(one=registered(exceptions=(TAKEN_AWAY,)), pressed=Pressed(outcome), language=language)
    assert shown.error
    assert shown.error in html(shown, language).replace("&#39;", "'")


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_days_list_names_who_took_what(language: str) -> None:
    handed = (
        IssuedCertificate("2026-22222-22222-A", "欧阳㛃", NOW, TakenBy.SELF, None),
        IssuedCertificate("2026-33333-33333-B", "<b>", NOW, TakenBy.PROXY, "司马䶮"),
    )
    text = html(None, language, handed)
    for words in ("2026-22222-22222-A", "欧阳㛃", "司马䶮", "&lt;b&gt;", "10:35"):
        assert words in text


ON_THE_ROSTER = OpenException(
    "roster 2",
    "roster",
    (Reason(code="taken-off"), Reason(code="name-changed", parameters={"was": "王玥", "now": "王钥"})),
    NOW,
)


@pytest.mark.parametrize("language", ["zh", "en"])
def test_what_the_roster_says_otherwise_is_an_exception_in_words(language: str) -> None:
    shown = page(one=registered(exceptions=(ON_THE_ROSTER,)), language=language)
    assert (shown.state, shown.exceptions[0].name) == (CheckState.BLOCKED, "roster 2")
    text = html(shown, language)
    for words in ("王玥", "王钥", 'value="roster 2"'):
        assert words in text


def test_every_difference_the_clearance_finds_has_words() -> None:
    assert {f"roster.{code}" for code in REASON_CODES} <= set(catalogue("zh").entries)
    later = replace(ON_THE_ROSTER, reasons=(Reason(code="of-a-later-release"),))
    assert "of-a-later-release" in page(one=registered(exceptions=(later,))).exceptions[0].reasons[0]


@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_hand_over_can_be_undone_and_its_history_stays(language: str) -> None:
    stands = page(one=registered(issues=(ISSUE,)), language=language)
    assert stands.undo_of == str(ISSUE.command_id)
    assert 'action="/desk/undo"' in html(stands, language)
    undo = IssueUndo(NOW, "clerk-2", "登记到了别人名下", UUID(int=3))
    undone = page(one=registered(issues=(replace(ISSUE, undo=undo),)), language=language)
    assert (undone.state, undone.offered, undone.undo_of) == (CheckState.CLEAR, True, "")
    text = html(undone, language)
    for words in ("clerk-1", "clerk-2", "登记到了别人名下", 'action="/desk/issue"'):
        assert words in text
    assert 'action="/desk/undo"' not in text


def test_an_undo_not_known_yet_offers_only_to_look_again() -> None:
    pressed = Pressed(Outcome.PENDING, reason="登记有误", undo_of=ISSUE.command_id)
    shown = page(one=registered(issues=(ISSUE,)), pressed=pressed)
    assert (shown.state, shown.offered, shown.pending) == (CheckState.WAITING, False, "undo")
    text = html(shown)
    assert 'name="reason" value="登记有误"' in text
    assert "undo_reason" not in text


@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_void_form_is_red_names_what_replaces_it_and_offers_nothing(language: str) -> None:
    whole = registered()
    void = FormVoid(NOW, "姓名有误", "2026-33333-33333-B")
    shown = page(one=replace(whole, submission=replace(whole.submission, void=void)), language=language)
    assert (shown.state, shown.offered) == (CheckState.BLOCKED, False)
    text = html(shown, language)
    assert "2026-33333-33333-B" in text
    assert "姓名有误" in text
    assert 'action="/desk/issue"' not in text
