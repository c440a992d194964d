"""A student's addresses as a request or a row gives them."""

from typing import Annotated, Final

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints

from services.kit.message_format import Language
from services.kit.operations import OperationBody
from services.notices.news.channels import Channel
from services.notices.tables.contacts import Contact

_MAIL: Final = r"^[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*@([A-Za-z0-9-]+\.)+[A-Za-z]{2,63}$"
_ACCOUNT: Final = r"^[A-Za-z0-9_.@-]{1,64}$"


def _or_none(value: object) -> object:
    return None if isinstance(value, str) and not value.strip() else value


def _plain(address: str) -> str:
    if "=?" in address:
        raise ValueError("a mail's header reads =? as the beginning of another text")
    return address


MailAddress = Annotated[
    Annotated[str, StringConstraints(strip_whitespace=True, max_length=254, pattern=_MAIL), AfterValidator(_plain)]
    | None,
    BeforeValidator(_or_none),
]
Account = Annotated[
    Annotated[str, StringConstraints(strip_whitespace=True, pattern=_ACCOUNT)] | None, BeforeValidator(_or_none)
]
"""At 企业微信 or 钉钉, where a robot mentions it."""


class ContactBody(OperationBody):
    """Replaces what is kept. `own`: the student's own choice, which no other source replaces."""

    mail: MailAddress = None
    wecom: Account = None
    dingtalk: Account = None
    language: Language = "zh"
    muted: Annotated[tuple[Channel, ...], Field(max_length=3)] = ()
    own: bool = False

    def contact(self) -> Contact:
        return Contact(self.mail, self.wecom, self.dingtalk, self.language, self.muted, self.own)
