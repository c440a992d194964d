"""A refusal by Kafka is one line of its cause, whatever it is wrapped in and however often it comes."""

import ssl

import pytest
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    KafkaConnectionError,
    SaslAuthenticationFailed,
    TopicAuthorizationFailedError,
)
from structlog.testing import capture_logs

from services.kit.kafka import refusals
from services.kit.kafka.refusals import log_refusal


@pytest.fixture(autouse=True)
def _none_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refusals, "_logged_at", {})


def wrapped(error: Exception) -> Exception:
    outer: Exception = KafkaConnectionError("closed")
    outer.__cause__ = error
    return outer


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (SaslAuthenticationFailed("wrong"), "authentication"),
        (TopicAuthorizationFailedError("a.topic"), "authorization"),
        (GroupAuthorizationFailedError("a.group"), "authorization"),
        (ssl.SSLCertVerificationError("unknown authority"), "tls"),
        (wrapped(SaslAuthenticationFailed("wrong")), "authentication"),
    ],
    ids=str,
)
def test_each_kind_of_refusal_has_its_cause(error: Exception, cause: str) -> None:
    with capture_logs() as lines:
        log_refusal(error)
    assert [(line["event"], line["cause"], line["log_level"]) for line in lines] == [("kafka.refused", cause, "error")]


@pytest.mark.parametrize("error", [None, KafkaConnectionError("away"), OSError("away"), TimeoutError()], ids=repr)
def test_a_broker_that_is_away_refuses_nobody(error: Exception | None) -> None:
    with capture_logs() as lines:
        log_refusal(error)
    assert lines == []


def test_a_refusal_repeated_by_every_reconnection_is_logged_once_in_a_while() -> None:
    with capture_logs() as lines:
        for _ in range(50):
            log_refusal(SaslAuthenticationFailed("wrong"))
        log_refusal(TopicAuthorizationFailedError("a.topic"))
    assert [line["cause"] for line in lines] == ["authentication", "authorization"]
