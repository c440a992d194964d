"""The history of a student at a desk: every entry that a department writes, in words and with whose hand it was."""

import re
from pathlib import Path
from typing import Any, Literal

import pytest

import services.kit.department
from schemas.flows import source_of
from services.gateway.case.wording import ViewContext
from services.gateway.i18n.catalogue import catalogue
from services.gateway.staff.desk.desk_answers import DeskOperation, HistoryEntry
from services.gateway.staff.desk.history import HistoryLine, history_line
from services.kit.message_format import LANGUAGES, Language
from services.kit.names import STUDENT
from tests.support.samples import case_samples
from tests.support.samples.case_samples import NOW

CANCEL_CARD = DeskOperation(name="cancel-card", summary="Cancel the card", of_item=False, body={})
Undo = Literal["offered", "undone", "moved-on", "not-offered"]
WORDS = {
    ("desk.cancel-card", "changed"): ("注销借书证", "已办理"),
    ("desk.cancel-card", "held"): ("注销借书证", "未办理：正在核对提交"),
    ("command.cancel-card", "done"): ("注销借书证", "已办理"),
    ("command.cancel-card", "refused"): ("注销借书证", "未办理：不符合规定"),
    ("desk.replace-record", "unchanged"): ("更新全部登记内容", "没有变化"),
    ("desk.nothing-on-record", "outdated"): ("确认无登记", "未办理：已有更新的记录"),
    ("desk.undo", "changed"): ("撤销", "已办理"),
    ("note.write", "written"): ("写了内部备注", "已保存"),
    ("attempt.attest", "held"): ("提交离校时核对", "通过，提交期间不能改动"),
    ("attempt.attest", "objected"): ("提交离校时核对", "未通过"),
    ("attempt.release", "accepted"): ("提交的结果", "已受理"),
    ("attempt.release", "refused"): ("提交的结果", "未受理"),
    ("attempt.release", "lapsed"): ("提交的结果", "没有收到结果，不再等待"),
    ("question.end", "ended"): ("处理待核对的数据", "已处理"),
    ("import.library", "applied"): ("导入文件中的一行", "已导入"),
    ("import.library", "rejected"): ("导入文件中的一行", "未导入：该行有误"),
    ("record.edited", "published"): ("登记内容在系统之外被改动", "按现有内容重新发布"),
}
UNSEEN = {"desk.loan", "student.forget", "record.query", "record.history", "question.list", "note.query"}
"""An example in the API's documents; nothing is shown of what was before a student was forgotten; who only looked."""


def line(
    act: str,
    outcome: str,
    *,
    actor: str = "clerk",
    language: Language = "zh",
    details: dict[str, Any] | None = None,
    undo: Undo = "not-offered",
    reason: str | None = None,
) -> HistoryLine:
    site = case_samples.site()
    entry = HistoryEntry(
        entry_id=1, at=NOW, actor=actor, act=act, outcome=outcome, details=details or {}, undo=undo, reason=reason
    )
    return history_line(ViewContext(site, catalogue(language), NOW), site.departments["library"], (CANCEL_CARD,), entry)


@pytest.mark.parametrize(("entry", "words"), WORDS.items(), ids=str)
def test_an_entry_is_shown_in_words(entry: tuple[str, str], words: tuple[str, str]) -> None:
    shown = line(*entry)
    assert (shown.act, shown.outcome) == words
    english = line(*entry, language="en")
    assert english.act not in (entry[0], words[0])
    assert english.outcome != words[1]


def test_whatever_a_department_writes_about_a_student_is_among_them() -> None:
    written = "".join(path.read_text("utf-8") for path in Path(services.kit.department.__path__[0]).rglob("*.py"))
    acts = set(re.findall(r'"((?:attempt|question|record|desk|student|note)\.[a-z-]+)"', written))
    assert acts - UNSEEN == {act for act, _ in WORDS} - {"desk.cancel-card", "command.cancel-card", "import.library"}


@pytest.mark.parametrize("language", LANGUAGES)
def test_it_is_told_whose_hand_it_was(language: Language) -> None:
    student, system = {"zh": ("学生本人", "系统"), "en": ("the student", "the system")}[language]
    hands = [
        line("desk.cancel-card", "changed", actor=actor, language=language).who
        for actor in (STUDENT, source_of("library"), "staff-pages: 方石 (clerk-library)", "library-desk")
    ]
    assert hands == [student, system, "方石 (clerk-library)", "library-desk"]


def test_an_undo_names_what_it_undid_and_why() -> None:
    shown = line("desk.undo", "changed", details={"operation": "cancel-card", "undoes": 7}, reason="录错了学号")
    assert (shown.act, shown.note) == ("撤销：注销借书证", "原因：录错了学号")


def test_an_entry_says_whether_it_can_be_undone_and_if_not_why() -> None:
    assert line("desk.cancel-card", "changed", undo="offered").undo
    shown = [
        line("desk.cancel-card", "changed", undo="undone"),
        line("desk.cancel-card", "changed", undo="moved-on"),
        line("desk.issue-card", "changed"),
        line("desk.issue-card", "refused"),
    ]
    assert [one.undo for one in shown] == [False] * 4
    assert [one.note for one in shown] == [
        "已撤销",
        "此后该项又有变动，不能撤销",
        "不能撤销：如需收回，请办理“注销借书证”。",
        "",
    ]


def test_an_entry_of_a_later_release_is_shown_by_its_codes() -> None:
    shown = line("shelf.counted", "found")
    assert (shown.act, shown.outcome) == ("shelf.counted", "found")
