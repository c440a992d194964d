"""Page models into HTML, escaped; a missing name is an error."""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Final, NamedTuple

from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from services.gateway.case.progress import Standing
from services.gateway.case.view_model import CasePage, CheckView, Freshness
from services.gateway.certificates.whose import whose_certificates
from services.gateway.i18n.catalogue import Texts, catalogue
from services.gateway.i18n.formats import LocalTime, phone_parts
from services.gateway.staff.progress import scope_of
from services.gateway.tables.sessions.session import Session
from services.gateway.university import PICTURES, Contact, Site
from services.gateway.web.assets import STATIC, Assets
from services.gateway.web.icons import ICONS, SHAPES
from services.gateway.web.prepared import Prepared, hole
from services.kit.message_format import Language
from services.kit.names import APPROVER, GRADUATE_SCHOOL, OPERATOR, desk_role

_KEPT_LINES: Final = 4_096
"""Of checks without their times, 2.5 kB each, 6 with a table: many students' are the same."""
_KEPT_FRAMES: Final = 256
SHORT: Final = 6
"""Digits of a student number on a phone."""
TEMPLATES = Path(__file__).parents[1] / "templates"


class _FrameSession(NamedTuple):
    """All that a kept frame may know of a session: it is shown to others."""

    csrf: str
    student_id: str
    roles: frozenset[str]


NUMBER, DIGITS, TOKEN = "number", "digits", "token"
"""Holes of a prepared page, besides the slots of a student's values."""


class PreparedPage(NamedTuple):
    """`marks`: name of the hole → department, and the mark of the line but for its times. `times`: by department."""

    body: Prepared
    marks: dict[str, tuple[str, str]]
    times: dict[str, Prepared]


class Renderer:
    """`folder` is the university's.

    Kept are frames of the case page and lines of checks, by everything that they are made from, with holes where
    something belongs that only one student has: numbers, tokens, times. Nothing else ends them.
    """

    def __init__(self, site: Site, folder: Path) -> None:
        self.site = site
        self.assets = Assets(STATIC, folder, folder / PICTURES)
        university = site.university
        # Of the length of a number on a phone: its last digits are cut off like those of a number.
        self._holes = tuple(f"\x00{name}\x00".ljust(SHORT, "\x00") for name in ("a", "b", "c", "d"))
        self._line_parts = lru_cache(_KEPT_LINES)(self._make_line_parts)
        self._freshness_html = lru_cache(_KEPT_LINES)(self._make_freshness_html)
        self._prepared_times = lru_cache(_KEPT_FRAMES)(self._make_prepared_times)
        self._frame = lru_cache(_KEPT_FRAMES)(self._make_frame)
        self._environment = Environment(
            loader=FileSystemLoader(TEMPLATES),
            autoescape=True,
            undefined=StrictUndefined,
            auto_reload=False,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.globals.update(
            university=university,
            asset=self.assets.address,
            size=self.assets.size,
            logo=self.assets.address(university.logo) if university.logo else "",
            phone_parts=partial(phone_parts, area_code=university.area_code),
            contact_value=_contact_value,
            mark=mark,
            ICONS=ICONS,
            SHAPES=SHAPES,
            hands_over=partial(whose_certificates, by_colleges=university.certificates_by == "colleges"),
            GRADUATE_SCHOOL=GRADUATE_SCHOOL,
            APPROVER=APPROVER,
            OPERATOR=OPERATOR,
            scope_of=scope_of,
            DESK_ROLES=frozenset(map(desk_role, site.departments)),
        )

    def page(
        self,
        template: str,
        texts: Texts,
        *,
        session: Session | None,
        back: str,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        **values: Any,
    ) -> HTMLResponse:
        """`back` is the page's own address."""
        return HTMLResponse(self.html(template, texts, session=session, back=back, **values), status, headers)

    def html(self, template: str, texts: Texts, *, session: Session | None, back: str, **values: Any) -> str:
        return self._environment.get_template(template).render(t=texts, session=session, back=back, **values)

    def message(
        self,
        texts: Texts,
        *,
        title: str,
        paragraphs: Sequence[str],
        session: Session | None,
        action: tuple[str, str],
        back: str = "/",
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        open_checks: Sequence[CheckView] = (),
        contact: Contact | None = None,
        picture: str = "info",
    ) -> HTMLResponse:
        """`action` is the address and label of the one link, `picture` one of `ICONS`."""
        return self.page(
            "message.html",
            texts,
            session=session,
            back=back,
            status=status,
            headers=headers,
            title=title,
            paragraphs=paragraphs,
            open_checks=open_checks,
            contact_shown=contact,
            picture=picture,
            action=action,
        )

    def case(self, page: CasePage, texts: Texts, session: Session) -> str:
        """The student's information page."""
        head, tail, token, live = self._holes
        number = session.student_id
        here = {
            head + tail: escape(number),
            tail: escape(number[-SHORT:]),
            token: escape(session.csrf),
            live: self.live(page, texts),
        }
        frame = self._frame(texts.language, frozenset(session.roles), page.standing, page.applied_on)
        return "".join(here.get(piece, piece) for piece in frame)

    def _make_frame(
        self, language: Language, roles: frozenset[str], standing: Standing, applied_on: str
    ) -> tuple[str, ...]:
        """Text and holes in turn."""
        head, tail, token, live = self._holes
        html = self._environment.get_template("case.html").render(
            t=catalogue(language),
            session=_FrameSession(token, head + tail, roles),
            back="/case",
            standing=standing,
            applied_on=applied_on,
            live=Markup(live),
        )
        return tuple(re.split(f"({'|'.join(map(re.escape, (head + tail, tail, token, live)))})", html))

    def prepared_case(self, page: CasePage, texts: Texts, roles: frozenset[str]) -> PreparedPage:
        """The page, with holes for whose it is, the student's values and the times of its lines."""
        html, marks, times = self._live_with_holes(page, texts)
        head, tail, token, live = self._holes
        here = {head + tail: hole(NUMBER), tail: hole(DIGITS), token: hole(TOKEN), live: html}
        frame = self._frame(texts.language, roles, page.standing, page.applied_on)
        return PreparedPage(Prepared.of_html("".join(here.get(piece, piece) for piece in frame)), marks, times)

    def prepared_live(self, page: CasePage, texts: Texts) -> PreparedPage:
        """What live updates replace, with holes for the student's values and the times of its lines."""
        html, marks, times = self._live_with_holes(page, texts)
        return PreparedPage(Prepared.of_html(html), marks, times)

    def _live_with_holes(
        self, page: CasePage, texts: Texts
    ) -> tuple[str, dict[str, tuple[str, str]], dict[str, Prepared]]:
        """And the marks and times of a `PreparedPage`."""
        marks: dict[str, tuple[str, str]] = {}
        times: dict[str, Prepared] = {}

        def line_html(line: CheckView, language: Language) -> Markup:
            if line.freshness is None:
                return self._line_html(line, language)
            before, between, after, others = self._parts_of_line(line, language)
            name, of = f"mark {line.anchor}", f"times {line.department}"
            marks[name] = line.department, others
            times[line.department] = self._prepared_times(line.freshness.cause, language)
            return Markup(f"{before}{hole(name)}{between}{hole(of)}{after}")

        values = tuple(replace(field, value=hole(field.slot)) for field in page.student)
        return self._live_html(replace(page, student=values), texts, line_html), marks, times

    def _line_html(self, line: CheckView, language: Language) -> Markup:
        before, between, after, others = self._parts_of_line(line, language)
        times = self._freshness_html(line.freshness, language) if line.freshness else ""
        return Markup(f"{before}{line_mark(others, times.encode())}{between}{times}{after}")

    def _parts_of_line(self, line: CheckView, language: Language) -> tuple[str, str, str, str]:
        fresh = line.freshness
        bare = line if fresh is None else replace(line, freshness=None)
        return self._line_parts(bare, fresh.cause if fresh else "", language)

    def _make_line_parts(self, line: CheckView, cause: str, language: Language) -> tuple[str, str, str, str]:
        """What is around its mark and its times; and the mark of everything but them."""
        of_mark, of_times, *_ = self._holes
        html = self._environment.get_template("line.html").render(
            t=catalogue(language), line=line, cause=cause, line_mark=Markup(of_mark), freshness=Markup(of_times)
        )
        before, _, rest = lean(html).partition(of_mark)
        between, _, after = rest.partition(of_times)
        return before, between, after, mark((line, cause, language))

    def _make_prepared_times(self, cause: str, language: Language) -> Prepared:
        true_at, received_at = (LocalTime("", hole(f"{at} exact"), hole(f"{at} iso")) for at in ("true", "received"))
        return Prepared.of_html(
            self._make_freshness_html(Freshness(hole("words"), true_at, received_at, cause), language)
        )

    def _make_freshness_html(self, freshness: Freshness, language: Language) -> str:
        template = self._environment.get_template("freshness.html")
        return lean(template.render(t=catalogue(language), freshness=freshness))

    def live(self, page: CasePage, texts: Texts) -> str:
        """What live updates replace."""
        return self._live_html(page, texts, self._line_html)

    def _live_html(self, page: CasePage, texts: Texts, line_html: Callable[[CheckView, Language], Markup]) -> str:
        return lean(self._environment.get_template("live.html").render(t=texts, page=page, line_html=line_html))


def lean(html: str) -> str:
    """Without what only indents the template: it would be a twentieth of what a live page sends."""
    return re.sub(r"\n\s*", "\n", html)


def mark(value: object) -> str:
    """A browser replaces only the parts whose mark differs."""
    return hashlib.sha256(repr(value).encode()).hexdigest()[:12]


def line_mark(others: str, times: bytes) -> str:
    """Of a line: `others` is the mark of all but its times, which are HTML."""
    return hashlib.sha256(others.encode() + times).hexdigest()[:12]


def _contact_value(contact: Contact) -> str:
    return " ".join(filter(None, (contact.phone, contact.mail, contact.other)))
