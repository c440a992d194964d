"""A password that aiokafka reads from its file at each connection, where it would keep the first one for ever.

A private part of aiokafka, pinned with a test.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiokafka import client


@dataclass(frozen=True, slots=True)
class PasswordFile:
    """Takes the place of the text in `sasl_plain_password`."""

    path: Path

    def read(self) -> str:
        """Without white space around it. Raises `OSError`, which aiokafka retries as a failed connection."""
        return self.path.read_text("utf-8").strip()


def read_at_each_connection() -> None:
    """Patch this process's clients."""
    client.create_conn = _create_conn


_create_conn_with_text = client.create_conn


async def _create_conn(*args: Any, sasl_plain_password: Any = None, **kwargs: Any) -> Any:
    if isinstance(sasl_plain_password, PasswordFile):
        sasl_plain_password = sasl_plain_password.read()
    return await _create_conn_with_text(*args, sasl_plain_password=sasl_plain_password, **kwargs)
