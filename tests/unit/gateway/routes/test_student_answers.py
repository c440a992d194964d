"""The JSON API and the page say the same of a case: two presenters of one progress."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from services.gateway.case.present import present
from services.gateway.case.progress import case_progress
from services.gateway.case.wording import ViewContext
from services.gateway.i18n.catalogue import catalogue
from services.gateway.read_model.line_comment import LineComment
from services.gateway.read_model.types import StudentSnapshot
from services.gateway.routes.student.student_answers import case_answer
from services.kit.message_format import LANGUAGES, Language
from tests.support.samples import case_samples
from tests.support.samples.case_samples import NOW, site

SNAPSHOTS = {
    "clear": case_samples.clear(),
    "nearly": case_samples.nearly(),
    "blocked": case_samples.blocked(),
    "card open": case_samples.card_open(),
    "waiting": case_samples.waiting(),
    "completed": case_samples.completed(),
    "overpaid": case_samples.overpaid(),
}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("snapshot", SNAPSHOTS.values(), ids=SNAPSHOTS)
def test_json_and_page_agree_on_every_check_and_on_the_submission(
    snapshot: StudentSnapshot, language: Language
) -> None:
    assert snapshot.case is not None
    context = ViewContext(site(), catalogue(language), NOW)
    progress = case_progress(snapshot, (), site(), NOW)
    page, answer = present(context, progress), case_answer(context, snapshot.case, progress)
    shown = [line for group in page.groups for line in group.lines]
    assert [(one.title, one.state, one.todo, one.notes) for one in answer.checks] == [
        (line.title, line.state, line.todo, line.notes) for line in shown
    ]
    offered = [line.command.name if line.command and line.command.offered else None for line in shown]
    assert [one.command for one in answer.checks] == offered
    assert answer.summary == page.summary.sentence
    assert answer.submission.state == page.submit.state


OPEN = LineComment(UUID(int=1), "library", "borrowing", "书已归还。", NOW - timedelta(hours=2))
ANSWERED = replace(OPEN, answer="已核实。", answered_at=NOW - timedelta(hours=1), answered_by="方石")


@pytest.mark.parametrize("snapshot", [case_samples.blocked(), case_samples.clear()], ids=["blocked", "clear"])
@pytest.mark.parametrize("comment", [None, OPEN, ANSWERED], ids=["none", "open", "answered"])
def test_json_and_page_agree_on_what_was_said_of_a_check_and_whether_more_may_be(
    snapshot: StudentSnapshot, comment: LineComment | None
) -> None:
    assert snapshot.case is not None
    context = ViewContext(site(), catalogue("zh"), NOW)
    progress = case_progress(snapshot, (), site(), NOW, (comment,) if comment else ())
    shown = [line.comment for group in present(context, progress).groups for line in group.lines]
    answered = case_answer(context, snapshot.case, progress).checks
    assert [one.may_comment for one in answered] == [bool(view and view.offered) for view in shown]
    assert [(one.comment.text, one.comment.answer or "") if one.comment else ("", "") for one in answered] == [
        (view.text, view.answer) if view else ("", "") for view in shown
    ]
