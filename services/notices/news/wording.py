"""The words of a notice: which lines turned and where to look, no reason and no number. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from services.kit.manifests import DepartmentManifest, Text
from services.kit.message_format import Language, fill
from services.notices.news.occasions import SUBMISSION, Kind
from services.notices.news.summary import Item
from services.notices.news.turns import LineState


@dataclass(frozen=True, slots=True)
class Words:
    """`entries`: key → language → template. `link`: to the page, the same for everybody."""

    entries: Mapping[str, Mapping[Language, str]]
    departments: Mapping[str, DepartmentManifest]
    service: Text
    university: Text
    link: str

    def text(self, key: str, language: Language, **parameters: str) -> str:
        return fill(self.entries[key][language], parameters, language)


@dataclass(frozen=True, slots=True)
class Written:
    subject: str
    body: str


def robot_text(words: Words, items: Sequence[Item], language: Language) -> str:
    """For a channel that others may read too: only that there is something to look at."""
    key = "robot-reminder" if {item.kind for item in items} == {Kind.REMINDER} else "robot"
    return words.text(key, language, service=_of(words.service, language), link=words.link)


def mail_text(words: Words, items: Sequence[Item], language: Language) -> Written:
    service, university = _of(words.service, language), _of(words.university, language)
    subject = words.text(f"subject-{_weightiest(items)}", language, service=service)
    lines = [_line(words, item, language) for item in items]
    body = words.text("body", language, lines="\n".join(lines), link=words.link, service=service, university=university)
    return Written(subject, body)


def _weightiest(items: Sequence[Item]) -> str:
    """What the subject names: a submission's end, then what needs the student."""
    kinds = {item.kind for item in items}
    blocked = any(item.state is LineState.BLOCKED for item in items)
    if Kind.ACCEPTED in kinds:
        return "accepted"
    if Kind.REFUSED in kinds:
        return "refused"
    if Kind.AFTERWARDS in kinds and blocked:
        return "afterwards"
    if Kind.REMINDER in kinds and not blocked:
        return "reminder"
    return "blocked" if blocked else "clear"


def _line(words: Words, item: Item, language: Language) -> str:
    if item.subject == SUBMISSION:
        return words.text(f"line-{item.kind}", language)
    if item.kind is Kind.REMINDER:
        return words.text("line-reminder", language, line=_title(words, item.subject, language))
    key = f"line-{item.state}-afterwards" if item.kind is Kind.AFTERWARDS else f"line-{item.state}"
    return words.text(key, language, line=_title(words, item.subject, language))


def _title(words: Words, subject: str, language: Language) -> str:
    """A check that the manifests no longer have goes by its name."""
    department, _, check = subject.partition("/")
    manifest = words.departments.get(department)
    titles = {one.name: one.title for one in manifest.checks} if manifest else {}
    return _of(titles[check], language) if check in titles else check


def _of(text: Text, language: Language) -> str:
    return text.zh if language == "zh" else text.en
