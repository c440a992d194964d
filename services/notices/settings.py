"""The notice service's own settings."""

from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import Field, field_validator, model_validator

from services.kit.settings import Port, Settings
from services.notices.news.channels import CHANNELS, Channel
from services.notices.news.quiet_hours import QuietHours

_LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")


class NoticeSettings(Settings):
    """A channel without an address to send to is off: nothing is written for it."""

    public_url: Annotated[str, Field(pattern=r"^https?://[A-Za-z0-9.\-\[\]:]+$")]
    smtp_host: str | None = None
    smtp_port: Port = 587
    smtp_tls: Literal["starttls", "tls", "none"] = "starttls"
    """`none`: on this machine only."""
    smtp_username: str | None = None
    smtp_password_file: Path | None = None
    """Read at each connection."""
    mail_from: Annotated[str, Field(pattern=r"^[^\r\n]*[^\s@<>]+@[^\s@<>]+>?$")] | None = None
    wecom_url_file: Path | None = None
    """Of a robot's address, which has its key in it; read at each use."""
    dingtalk_url_file: Path | None = None
    dingtalk_secret_file: Path | None = None
    """What the robot's messages are signed with."""
    robot_per_minute: Annotated[float, Field(gt=0, le=100_000)] = 20.0
    """Messages by one robot: both refuse more."""
    authorities: Path | None = None
    """PEM of whose certificates of mail server and robots are believed; the public ones without it."""
    notice_timeout_s: Annotated[float, Field(gt=0, le=55)] = 20.0
    """Of one step of a sending."""
    notice_window_s: Annotated[float, Field(ge=0, le=86_400)] = 900.0
    """Lines of one student that turn within it go in one notice; one that turns back is none."""
    notice_quiet: str = "22:00-07:00"
    """In the university's zone; empty for none."""
    remind_every_days: Annotated[float, Field(ge=0, le=365)] = 3.0
    """Staff do not remind a student of a line again before; 0: whenever they ask."""
    notice_retry_s: Annotated[float, Field(gt=0, le=3_600)] = 30.0
    """Before the first repetition; then twice as long each time, an hour at most."""
    notice_give_up_s: Annotated[float, Field(ge=0, le=1_209_600)] = 86_400.0
    """A notice that could not be sent for so long is dead: an operator decides."""

    @field_validator("authorities", "smtp_password_file", "wecom_url_file", "dingtalk_url_file", "dingtalk_secret_file")
    @classmethod
    def _is_there(cls, value: Path | None) -> Path | None:
        if value is not None and not value.is_file():
            raise ValueError("no such file")
        return value

    @field_validator("notice_quiet")
    @classmethod
    def _hours(cls, value: str) -> str:
        QuietHours.of(value)
        return value

    @model_validator(mode="after")
    def _whole_mail(self) -> Self:
        if (self.smtp_host is None) != (self.mail_from is None):
            raise ValueError("LIXIAO_SMTP_HOST and LIXIAO_MAIL_FROM go together")
        if self.smtp_host is not None and self.smtp_tls == "none" and self.smtp_host not in _LOOPBACK:
            raise ValueError("mail beyond this machine needs LIXIAO_SMTP_TLS=starttls or tls")
        if (self.smtp_username is None) != (self.smtp_password_file is None):
            raise ValueError("LIXIAO_SMTP_USERNAME and LIXIAO_SMTP_PASSWORD_FILE go together")
        return self

    @property
    def channels(self) -> tuple[Channel, ...]:
        """The configured ones."""
        given = {"mail": self.smtp_host, "wecom": self.wecom_url_file, "dingtalk": self.dingtalk_url_file}
        return tuple(channel for channel in CHANNELS if given[channel] is not None)

    @property
    def quiet_hours(self) -> QuietHours | None:
        return QuietHours.of(self.notice_quiet)
