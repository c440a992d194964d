"""What we change of how aiokafka connects, in its private parts: pinned with a test.

A password is read from its file at each connection, where aiokafka would keep the first one for ever. A broker that
refuses a token says so only when its challenge is answered (RFC 7628), where aiokafka takes the challenge for consent.
A refusal is a security event.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from aiokafka import client
from aiokafka.conn import AIOKafkaConnection, OAuthAuthenticator

from services.kit.kafka.refusals import log_refusal

_END_OF_FAILED_EXCHANGE: Final = b"\x01"


@dataclass(frozen=True, slots=True)
class PasswordFile:
    """Takes the place of the text in `sasl_plain_password`."""

    path: Path

    def read(self) -> str:
        """Without white space around it. Raises `OSError`, which aiokafka retries as a failed connection."""
        return self.path.read_text("utf-8").strip()


def change_connecting() -> None:
    """Patch this process's clients."""
    client.create_conn = _create_conn
    AIOKafkaConnection.authenticator_oauth = _authenticator_oauth


_create_conn_with_text = client.create_conn


async def _create_conn(*args: Any, sasl_plain_password: Any = None, **kwargs: Any) -> Any:
    if isinstance(sasl_plain_password, PasswordFile):
        sasl_plain_password = sasl_plain_password.read()
    try:
        return await _create_conn_with_text(*args, sasl_plain_password=sasl_plain_password, **kwargs)
    except Exception as error:
        log_refusal(error)
        raise


class _AnsweringAuthenticator(OAuthAuthenticator):  # type: ignore[misc]
    """After its challenge is answered, the broker refuses by an error."""

    async def step(self, payload: bytes | None) -> tuple[bytes, bool] | None:
        if payload:
            return _END_OF_FAILED_EXCHANGE, True
        request: tuple[bytes, bool] | None = await super().step(payload)
        return request


def _authenticator_oauth(self: Any) -> OAuthAuthenticator:
    return _AnsweringAuthenticator(sasl_oauth_token_provider=self._sasl_oauth_token_provider)
