"""What the notice service starts with, and what it refuses to start with."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from services.notices.settings import NoticeSettings

MAIL = {"smtp_host": "mail.example.edu", "mail_from": "离校服务 <notices@example.edu>"}


def settings(**changes: Any) -> NoticeSettings:
    values = {"kafka": "127.0.0.1:9", "database": "postgresql://nobody@127.0.0.1/none"}
    return NoticeSettings(**{**values, "public_url": "https://lixiao.example.edu", **changes})


def test_without_a_mail_server_or_robot_it_starts() -> None:
    assert settings().smtp_host is None


def test_mail_beyond_this_machine_goes_over_tls() -> None:
    assert settings(**MAIL).smtp_tls == "starttls"
    assert settings(**{**MAIL, "smtp_host": "127.0.0.1"}, smtp_tls="none").smtp_tls == "none"
    with pytest.raises(ValidationError, match="LIXIAO_SMTP_TLS"):
        settings(**MAIL, smtp_tls="none")


@pytest.mark.parametrize(
    "changes",
    [
        {"smtp_host": "mail.example.edu"},
        {"mail_from": "notices@example.edu"},
        {**MAIL, "smtp_username": "notices"},
        {**MAIL, "mail_from": "a@example.edu\r\nBcc: b@example.edu"},
        {"notice_quiet": "22-7"},
        {"wecom_url_file": "/no/such/file"},
        {"public_url": "https://lixiao.example.edu/path"},
    ],
)
def test_what_does_not_fit_together_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        settings(**changes)


def test_a_password_is_a_file_and_in_no_representation(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("hunter2")
    made = settings(**MAIL, smtp_username="notices", smtp_password_file=tmp_path / "password")
    assert "hunter2" not in repr(made)
