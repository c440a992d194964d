"""Page models into HTML: one Jinja environment with escaping on and every missing name an error."""

import hashlib
from functools import partial
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from services.gateway.case.view_model import CasePage
from services.gateway.i18n.catalogue import Texts
from services.gateway.i18n.formats import phone_parts
from services.gateway.university import PICTURES, Contact, Site
from services.gateway.web.assets import STATIC, Assets
from services.kit.names import CERTIFICATE_DESK

TEMPLATES = Path(__file__).parents[1] / "templates"


class Renderer:
    """Renders pages of one university. `folder` is its configuration, where its logo is."""

    def __init__(self, house: Site, folder: Path) -> None:
        self.house = house
        self.assets = Assets(STATIC, folder, folder / PICTURES)
        university = house.university
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
            CERTIFICATE_DESK=CERTIFICATE_DESK,
        )

    def page(self, template: str, texts: Texts, *, session: object, back: str, **values: Any) -> str:
        """A whole page. `session` is None for somebody not signed in; `back` is the page's own address."""
        return self._environment.get_template(template).render(t=texts, session=session, back=back, **values)

    def live(self, page: CasePage, texts: Texts) -> str:
        """The part of the information page that turns while one looks."""
        return self._environment.get_template("live.html").render(t=texts, page=page)


def mark(value: object) -> str:
    """A short name of a value: equal values have the same, so a browser replaces only what differs."""
    return hashlib.sha256(repr(value).encode()).hexdigest()[:12]


def _contact_value(contact: Contact) -> str:
    return " ".join(filter(None, (contact.phone, contact.mail, contact.other)))
