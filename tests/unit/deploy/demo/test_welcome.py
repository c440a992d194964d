"""What a launch prints once everything is ready."""

from pathlib import Path

import pytest

from deploy.demo.welcome import curl


def test_the_printed_request_names_the_token_by_its_short_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    token = tmp_path / ".lixiao" / "demo" / "tokens" / "library"
    assert "$(cat .lixiao/demo/tokens/library)" in curl("TS1", "http://h:1", token)
    elsewhere = tmp_path.parent / "token"
    assert f"$(cat {elsewhere})" in curl("TS1", "http://h:1", elsewhere)
