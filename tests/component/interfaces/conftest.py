"""Answers of a service that are compared with those in its OpenAPI document, or recorded."""

from typing import Protocol

import pytest

from tests.support.interfaces.recorder import Recorder, record, recorded


class Compare(Protocol):
    def __call__(self, service: str, recorder: Recorder) -> None: ...


@pytest.fixture
def compare(pytestconfig: pytest.Config) -> Compare:
    """The committed answers of a service are these; with `--record-answers` they become these."""

    def compared(service: str, recorder: Recorder) -> None:
        if pytestconfig.getoption("--record-answers"):
            record(service, recorder.answers)
        assert recorder.answers == recorded(service), "run: make record-answers"

    return compared
