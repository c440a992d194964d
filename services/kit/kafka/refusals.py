"""Refusals by Kafka as security events in the log: of who we are, of what we may do, of a broker's certificate."""

import ssl
import time
from typing import Final

import structlog
from aiokafka.errors import (
    AuthenticationFailedError,
    AuthenticationMethodNotSupported,
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    SaslAuthenticationFailed,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
    UnsupportedSaslMechanismError,
)

EVERY_S: Final = 10.0
"""Clients try again several times a second: one line of each cause in this time."""
_CAUSES: Final[tuple[tuple[str, tuple[type[Exception], ...]], ...]] = (
    (
        "authentication",
        (
            AuthenticationFailedError,
            AuthenticationMethodNotSupported,
            SaslAuthenticationFailed,
            UnsupportedSaslMechanismError,
        ),
    ),
    (
        "authorization",
        (
            ClusterAuthorizationFailedError,
            GroupAuthorizationFailedError,
            TopicAuthorizationFailedError,
            TransactionalIdAuthorizationFailed,
        ),
    ),
    ("tls", (ssl.SSLError,)),
)
_log = structlog.get_logger(__name__)
_logged_at: dict[str, float] = {}


def log_refusal(error: BaseException | None) -> None:
    """Nothing for an error that is none, in itself and in what caused it."""
    while error is not None:
        for cause, kinds in _CAUSES:
            if isinstance(error, kinds):
                _log_cause(cause, type(error).__name__)
                return
        error = error.__cause__ or error.__context__


def _log_cause(cause: str, error: str) -> None:
    now = time.monotonic()
    if now - _logged_at.get(cause, -EVERY_S) >= EVERY_S:
        _logged_at[cause] = now
        _log.error("kafka.refused", cause=cause, error=error)
