"""The gateway's token at a desk: in the setting, or in a file that is read at each request."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from services.gateway.settings import DeskAddress
from services.kit.secret_files import NoSecret

ADDRESS = "http://127.0.0.1:8003"


def test_a_replaced_token_is_sent_from_the_next_request_on(tmp_path: Path) -> None:
    file = tmp_path / "library"
    desk = DeskAddress(address=ADDRESS, token_file=file)
    for token in ("lx_the_first_token", "lx_the_second_token"):
        file.write_text(f"{token}\n")
        assert desk.bearer() == token
    for broken in (lambda: file.write_text("\n"), lambda: file.write_bytes(b"\xff"), file.unlink):
        broken()
        with pytest.raises(NoSecret):
            desk.bearer()


@pytest.mark.parametrize(
    ("address", "taken"),
    [
        ("https://library.example.edu", True),
        ("https://library.example.edu:8443", True),
        ("http://localhost:8003", True),
        ("http://[::1]:8003", True),
        ("http://library.example.edu", False),
        ("http://127.0.0.1.example.edu", False),
        ("http://localhost:8003@example.edu", False),
    ],
)
def test_a_token_goes_beyond_this_machine_over_https_alone(address: str, taken: bool) -> None:
    try:
        DeskAddress(address=address, token="x" * 16)
    except ValidationError:
        assert not taken
    else:
        assert taken


@pytest.mark.parametrize("given", [{}, {"token": "x" * 16, "token_file": "library"}, {"token": "short"}])
def test_a_desk_has_one_token(given: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        DeskAddress.model_validate({"address": ADDRESS, **given})


def test_a_token_in_the_setting_is_not_printed() -> None:
    desk = DeskAddress(address=ADDRESS, token="lx_not_to_be_seen")
    assert desk.bearer() == "lx_not_to_be_seen"
    assert "not_to_be_seen" not in repr(desk)
