"""The words of notices, in both languages, with the university's names and the departments' titles."""

from typing import Any, Final
from uuid import uuid4

import pytest

from services.kit.manifests import discover
from services.kit.message_format import LANGUAGES, Language
from services.notices.news.occasions import SUBMISSION, Kind
from services.notices.news.summary import Item
from services.notices.news.turns import LineState
from services.notices.news.wording import mail_text, robot_text
from services.notices.settings import NoticeSettings
from services.notices.words import words_of
from tests.support.paths import ROOT

SETTINGS: Final[dict[str, Any]] = {
    "kafka": "127.0.0.1:9",
    "database": "postgresql://nobody@127.0.0.1/none",
    "public_url": "https://lixiao.example.edu",
    "university": ROOT / "config" / "universities" / "cumt",
}
WORDS: Final = words_of(NoticeSettings(**SETTINGS))
LINES: Final = [f"{department.name}/{check.name}" for department in discover().values() for check in department.checks]


def item(kind: Kind, subject: str = SUBMISSION, state: LineState | None = None) -> Item:
    return Item(kind, subject, state, (uuid4(),))


CLEAR, BLOCKED = (item(Kind.LINE, LINES[0], state) for state in (LineState.CLEAR, LineState.BLOCKED))
LATER: Final = item(Kind.AFTERWARDS, LINES[0], LineState.BLOCKED)
REMINDED: Final = item(Kind.REMINDER, LINES[0])
MENDED: Final = item(Kind.AFTERWARDS, LINES[0], LineState.CLEAR)


@pytest.mark.parametrize(
    ("items", "subject"),
    [
        ([CLEAR], "有事项已通过"),
        ([CLEAR, BLOCKED], "有事项需要您办理"),
        ([CLEAR, LATER], "提交之后有新情况，请查看"),
        ([MENDED], "有事项已通过"),
        ([BLOCKED, item(Kind.REFUSED)], "提交未成功，请查看"),
        ([CLEAR, item(Kind.ACCEPTED)], "提交成功"),
        ([REMINDED], "提醒：您有事项尚未办理"),
        ([CLEAR, REMINDED], "提醒：您有事项尚未办理"),
        ([BLOCKED, REMINDED], "有事项需要您办理"),
    ],
)
def test_the_subject_names_what_matters_most(items: list[Item], subject: str) -> None:
    assert mail_text(WORDS, items, "zh").subject == f"【离校服务】{subject}"


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_line_of_every_department_has_its_title_and_no_text_has_a_gap(language: Language) -> None:
    kinds = [(Kind.LINE, state) for state in (LineState.CLEAR, LineState.BLOCKED)]
    kinds += [(Kind.AFTERWARDS, state) for state in (LineState.CLEAR, LineState.BLOCKED)]
    items = [item(kind, line, state) for line in LINES for kind, state in kinds]
    items += [item(Kind.REMINDER, line) for line in LINES]
    written = mail_text(WORDS, [*items, item(Kind.ACCEPTED), item(Kind.REFUSED)], language)
    titles = [check.title for department in discover().values() for check in department.checks]
    for title in titles:
        assert (title.zh if language == "zh" else title.en) in written.body
    for text in (written.subject, written.body, robot_text(WORDS, items, language)):
        assert "{" not in text
        assert "…" not in text
    assert "https://lixiao.example.edu/case" in written.body
    assert ("中国矿业大学" if language == "zh" else "China University of Mining and Technology") in written.body


def test_a_check_that_no_manifest_has_goes_by_its_name() -> None:
    gone = item(Kind.LINE, "library/gone", LineState.CLEAR)
    assert "通过：gone" in mail_text(WORDS, [gone], "zh").body


def test_a_robot_says_nothing_of_what_it_is_about() -> None:
    text = robot_text(WORDS, [BLOCKED, REMINDED], "zh")
    assert text == "【离校服务】您的办理情况有变化，请登录查看：https://lixiao.example.edu/case"
    text = robot_text(WORDS, [REMINDED], "zh")
    assert text == "【离校服务】您有事项尚未办理，请登录查看：https://lixiao.example.edu/case"
