"""Where a student is written to, kept by the notice service and asked for over HTTP."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from services.gateway.staff.desk.desk_client import DeskClient, DeskRefused
from services.kit.message_format import Language
from services.kit.names import STUDENT

Channel = Literal["mail", "wecom", "dingtalk"]
CHANNELS: Final[tuple[Channel, ...]] = ("mail", "wecom", "dingtalk")
_NO_CONTACT: Final = 404
_INVALID: Final = 422


class StudentContact(BaseModel):
    """No address is in the representation, and so in logs."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    mail: Annotated[str | None, Field(repr=False)] = None
    wecom: Annotated[str | None, Field(repr=False)] = None
    dingtalk: Annotated[str | None, Field(repr=False)] = None
    language: Language = "zh"
    muted: tuple[Channel, ...] = ()

    def offered(self) -> tuple[Channel, ...]:
        """Mail, which the student can give, and the robots that the university knows an account for."""
        known = {"wecom": self.wecom, "dingtalk": self.dingtalk}
        return tuple(channel for channel in CHANNELS if channel == "mail" or known[channel])

    def chosen(self, mail: str, language: Language, wanted: Collection[Channel]) -> "StudentContact":
        muted = tuple(channel for channel in self.offered() if channel not in wanted)
        return StudentContact(
            mail=mail or None, wecom=self.wecom, dingtalk=self.dingtalk, language=language, muted=muted
        )


@dataclass(frozen=True, slots=True)
class ContactClient:
    """Methods raise `DeskUnavailable` and `DeskRefused`."""

    notices: DeskClient

    @property
    def is_configured(self) -> bool:
        return self.notices.desk is not None

    async def of(self, student_id: str) -> StudentContact:
        """An empty one for a student without."""
        try:
            answer = await self.notices.send("POST", "/contacts/query", STUDENT, {"student_id": student_id})
        except DeskRefused as refused:
            if refused.status == _NO_CONTACT:
                return StudentContact()
            raise
        try:
            return StudentContact.model_validate_json(answer.content)
        except ValidationError as error:
            raise self.notices.unreadable(error) from None

    async def keep(self, student_id: str, contact: StudentContact) -> bool:
        """As the student's own choice. False for an address that is none."""
        body = {"student_id": student_id, "own": True, **contact.model_dump(mode="json")}
        try:
            await self.notices.send("PUT", "/contacts", STUDENT, body)
        except DeskRefused as refused:
            if refused.status == _INVALID:
                return False
            raise
        return True
