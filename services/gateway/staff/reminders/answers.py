"""What the notice service answers about reminders."""

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict

from services.kit.message_format import Language


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class MailText(_Answer):
    subject: str
    body: str


class Preview(_Answer):
    """Counts of students. `lines`: by `department/check`. Without `channels` nobody is reached."""

    channels: tuple[str, ...] = ()
    every_days: float = 0
    outcomes: Mapping[str, int] = {}
    languages: Mapping[str, int] = {}
    lines: Mapping[str, int] = {}
    texts: Mapping[Language, MailText] = {}
    robots: Mapping[Language, str] = {}

    @property
    def taken(self) -> int:
        return self.outcomes.get("taken", 0)


class Missed(_Answer):
    student_id: str
    result: str


class Result(_Answer):
    """Of the `known` ones, which the service has taken so far."""

    known: int = 0
    results: Mapping[str, int] = {}
    missed: tuple[Missed, ...] = ()
