"""Containers are asked for, never guessed: without an engine the session says so at once."""

import pytest

from tests.support.servers.containers import NoEngine, must_have_an_engine


def test_without_an_engine_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    with pytest.raises(NoEngine, match="leave out --containers"):
        must_have_an_engine()
