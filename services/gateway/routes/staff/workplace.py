"""Where a signed-in member of staff works: whose service is asked for them, and what their pages are made with."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import uuid4

from fastapi import Response

from services.gateway.case.wording import ViewContext
from services.gateway.staff.desk.desk_client import DeskClient
from services.gateway.tables.sessions.session import Session
from services.gateway.tables.staff_audit import StaffAudit
from services.gateway.web.csrf import check_csrf
from services.gateway.web.renderer import Renderer


@dataclass(frozen=True, slots=True, kw_only=True)
class Workplace(ABC):
    """`name` of the person; `person` is what the service's audit records."""

    session: Session
    name: str
    desk: DeskClient
    context: ViewContext
    pages: Renderer
    audit: StaffAudit

    layout: ClassVar[str] = "staff_base.html"
    """The template that its pages extend."""
    covers: ClassVar[bool] = True
    """Whether a file may be the complete list of a cohort."""

    @property
    @abstractmethod
    def address(self) -> str:
        """Of its first page."""

    @property
    def person(self) -> str:
        account = self.session.account
        return self.name if self.name == account else f"{self.name} ({account})"

    def check_csrf(self, token: str) -> None:
        """Raises a 403 `Problem`."""
        check_csrf(self.session, token)

    def page(self, template: str, *, status: int = 200, **values: Any) -> Response:
        return self.pages.page(
            template,
            self.context.texts,
            session=self.session,
            back=self.address,
            status=status,
            office=self,
            new_key=uuid4,
            **values,
        )
