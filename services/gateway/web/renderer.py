"""Page models into HTML, escaped; a missing name is an error."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Final

from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from services.gateway.case.view_model import CasePage, CheckView
from services.gateway.certificates.whose import whose_certificates
from services.gateway.i18n.catalogue import Texts, catalogue
from services.gateway.i18n.formats import phone_parts
from services.gateway.staff.progress import scope_of
from services.gateway.tables.sessions.session import Session
from services.gateway.university import PICTURES, Contact, Site
from services.gateway.web.assets import STATIC, Assets
from services.gateway.web.icons import ICONS, SHAPES
from services.kit.message_format import Language
from services.kit.names import APPROVER, GRADUATE_SCHOOL, OPERATOR, desk_role

_KEPT_LINES: Final = 4_096
"""Of checks, about 2.5 kB each: when one department has news, the others' lines are the same."""
TEMPLATES = Path(__file__).parents[1] / "templates"


class Renderer:
    """`folder` is the university's."""

    def __init__(self, site: Site, folder: Path) -> None:
        self.site = site
        self.assets = Assets(STATIC, folder, folder / PICTURES)
        university = site.university
        self._environment = Environment(
            loader=FileSystemLoader(TEMPLATES),
            autoescape=True,
            undefined=StrictUndefined,
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
            line_html=lru_cache(_KEPT_LINES)(self._line_html),
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

    def _line_html(self, line: CheckView, language: Language) -> Markup:
        return Markup(_lean(self._environment.get_template("line.html").render(t=catalogue(language), line=line)))

    def live(self, page: CasePage, texts: Texts) -> str:
        """What live updates replace."""
        return _lean(self._environment.get_template("live.html").render(t=texts, page=page))


def _lean(html: str) -> str:
    """Without what only indents the template: it would be a twentieth of what a live page sends."""
    return re.sub(r"\n\s*", "\n", html)


def mark(value: object) -> str:
    """A browser replaces only the parts whose mark differs."""
    return hashlib.sha256(repr(value).encode()).hexdigest()[:12]


def _contact_value(contact: Contact) -> str:
    return " ".join(filter(None, (contact.phone, contact.mail, contact.other)))
