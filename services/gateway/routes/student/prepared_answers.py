"""Answers of usual cases, put together from what was prepared for their shape.

The only place where the case page and its twin are not made by way of progress, words and template. What is prepared is
made that way, of the first student of a shape, with holes where the others differ; so the templates and the words stay
the only source. A property test has both ways make the same bytes.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from datetime import date
from functools import lru_cache
from typing import Final, NamedTuple, TypeVar

import msgspec
from markupsafe import escape
from msgspec import structs

from services.gateway.case.checks import fresh_words, worth_two_times
from services.gateway.case.present import present
from services.gateway.case.progress import CaseProgress
from services.gateway.case.student_info import SLOTS, student_values
from services.gateway.case.usual_case import Received, UsualCase
from services.gateway.case.view_model import CasePage
from services.gateway.case.wording import ViewContext
from services.gateway.i18n.catalogue import catalogue
from services.gateway.i18n.formats import time_on_campus
from services.gateway.read_model.types import Case
from services.gateway.routes.student.student_answers import CaseAnswer, case_answer
from services.gateway.shown.document import ShownDocument, ShownPage, document_of, encoded
from services.gateway.web.prepared import Prepared, hole
from services.gateway.web.renderer import DIGITS, NUMBER, SHORT, TOKEN, PreparedPage, Renderer, lean, line_mark
from services.kit.message_format import Language

T = TypeVar("T")
_KEPT: Final = 1_024
"""Shapes, each of about 20 kB with what it was made from; the least recently used go first."""
_json: Final = msgspec.json.Encoder().encode
_OF_CASE: Final = tuple(name for name in CaseAnswer.model_fields if name in Case.__dataclass_fields__)
_OF_STATUS: Final = ("version", "occurred_at", "received_at", "alive_as_of")


class _Page(NamedTuple):
    """`document`: what is kept of the page, without versions and times. `timed`: lines that show theirs.

    `reported`: departments whose status is on it.
    """

    html: PreparedPage
    document: ShownDocument
    timed: frozenset[str]
    reported: frozenset[str]


class PreparedLive(NamedTuple):
    """`shown` makes what is kept of the page. `received` is by department, of those whose status is on it."""

    html: bytes
    received: dict[str, Received]
    shown: Callable[[], ShownPage]


class _Times(NamedTuple):
    words: str
    html: bytes


class PreparedAnswers:
    """`progress` is called for the first case of a shape. Nothing ends what is prepared: a shape has all it shows."""

    def __init__(self, renderer: Renderer) -> None:
        self._renderer = renderer
        self._pages: OrderedDict[Hashable, _Page] = OrderedDict()
        self._live: OrderedDict[Hashable, _Page] = OrderedDict()
        self._twins: OrderedDict[Hashable, Prepared] = OrderedDict()

    def page(
        self,
        usual: UsualCase,
        context: ViewContext,
        roles: frozenset[str],
        token: bytes,
        progress: Callable[[], CaseProgress],
    ) -> tuple[bytes, ShownPage]:
        """The page, and what is kept of it. `token`: in place of the session's."""
        known = _known(
            self._pages,
            (context.language, roles, usual.shape),
            lambda: _prepared_page(
                context, progress(), lambda page: self._renderer.prepared_case(page, context.texts, roles)
            ),
        )
        times = _times_of(known, usual, context)
        return _filled_html(known, usual, context, times, token), _filled_document(known, usual, times)

    def live(self, usual: UsualCase, context: ViewContext, progress: Callable[[], CaseProgress]) -> PreparedLive:
        """What live updates replace of the page."""
        known = _known(
            self._live,
            (context.language, usual.shape),
            lambda: _prepared_page(context, progress(), lambda page: self._renderer.prepared_live(page, context.texts)),
        )
        times = _times_of(known, usual, context)
        return PreparedLive(
            _filled_html(known, usual, context, times),
            {name: one for name, one in usual.received.items() if name in known.reported},
            lambda: _filled_document(known, usual, times),
        )

    def twin(self, usual: UsualCase, context: ViewContext, progress: Callable[[], CaseProgress]) -> bytes:
        known = _known(
            self._twins,
            (context.language, usual.shape),
            lambda: _prepared_twin(case_answer(context, usual.case, progress())),
        )
        return _filled_twin(known, usual)


def _prepared_page(context: ViewContext, progress: CaseProgress, html: Callable[[CasePage], PreparedPage]) -> _Page:
    page = present(context, progress)
    timed = frozenset(line.anchor for group in page.groups for line in group.lines if line.freshness)
    document = document_of(page, progress)
    lines = tuple(
        # Their times are the last of their words.
        structs.replace(line, words=line.words[:-1]) if line.anchor in timed else line
        for line in document.lines
    )
    reported = frozenset(line.department for line in lines if line.version is not None)
    return _Page(html(page), structs.replace(document, lines=lines), timed, reported)


def _known(kept: OrderedDict[Hashable, T], key: Hashable, make: Callable[[], T]) -> T:
    known = kept.get(key)
    if known is not None:
        kept.move_to_end(key)
        return known
    kept[key] = made = make()
    if len(kept) > _KEPT:
        kept.popitem(last=False)
    return made


def _times_of(page: _Page, usual: UsualCase, context: ViewContext) -> dict[str, _Times]:
    """By department."""
    today = context.local_day
    return {
        department: _times(page.html.times.get(department), received, context, today)
        for department, received in usual.received.items()
    }


def _filled_html(
    page: _Page, usual: UsualCase, context: ViewContext, times: Mapping[str, _Times], token: bytes = b""
) -> bytes:
    number = usual.case.student_id
    values = {
        NUMBER: _escaped(number),
        DIGITS: _escaped(number[-SHORT:]),
        TOKEN: token,
        **{slot: _escaped(value) for slot, value in zip(SLOTS, student_values(context, usual.case), strict=True)},
        **{f"times {department}": one.html for department, one in times.items()},
        **{name: line_mark(mark, times[of].html).encode() for name, (of, mark) in page.html.marks.items()},
    }
    return page.html.body.filled(values)


def _filled_document(page: _Page, usual: UsualCase, times: Mapping[str, _Times]) -> ShownPage:
    lines = []
    for line in page.document.lines:
        received = usual.received.get(line.department)
        if received is not None:
            words = (*line.words, times[line.department].words) if line.anchor in page.timed else line.words
            line = structs.replace(
                line,
                words=words,
                version=received.version,
                occurred_at=received.occurred_at,
                received_at=received.received_at,
            )
        lines.append(line)
    return ShownPage(encoded(structs.replace(page.document, case_version=usual.case.version, lines=tuple(lines))))


def _times(prepared: Prepared | None, received: Received, context: ViewContext, today: date) -> _Times:
    """Without `prepared`, none are shown."""
    if prepared is None:
        return _Times("", b"")
    offset, language = context.site.university.utc_offset_minutes, context.language
    true_at = time_on_campus(received.occurred_at, today, offset, language)
    received_at = time_on_campus(received.received_at, today, offset, language)
    late = worth_two_times(received.occurred_at, received.received_at)
    words, html = _fresh_words(true_at.words, received_at.words, language, late=late)
    return _Times(
        words,
        prepared.filled(
            {
                "words": html,
                # Digits, and days in the page's language: there is nothing to escape.
                "true exact": true_at.exact.encode(),
                "true iso": true_at.iso.encode(),
                "received exact": received_at.exact.encode(),
                "received iso": received_at.iso.encode(),
            }
        ),
    )


@lru_cache(4_096)
def _fresh_words(true_at: str, received_at: str, language: Language, *, late: bool) -> tuple[str, bytes]:
    words = fresh_words(catalogue(language), true_at, received_at, late=late)
    return words, _escaped(words)


def _escaped(text: str) -> bytes:
    html = str(escape(text))
    return (lean(html) if "\n" in html else html).encode()


def _prepared_twin(answer: CaseAnswer) -> Prepared:
    checks = tuple(
        one.model_copy(update={name: hole(f"{one.department} {name}") for name in _OF_STATUS})
        if one.version is not None
        else one
        for one in answer.checks
    )
    holed = answer.model_copy(update={"checks": checks, **{name: hole(name) for name in _OF_CASE}})
    return Prepared.of_json(holed.model_dump_json(warnings=False))


def _filled_twin(twin: Prepared, usual: UsualCase) -> bytes:
    values = {name: _json(getattr(usual.case, name)) for name in _OF_CASE}
    for department, received in usual.received.items():
        for name, value in zip(_OF_STATUS, received, strict=True):
            values[f"{department} {name}"] = _json(value)
    return twin.filled(values)
