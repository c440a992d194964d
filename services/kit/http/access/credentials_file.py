"""Tokens from a file that an installation distributes, read again when it changes."""

import hmac
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import structlog
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter

from services.kit.tokens.store import Principal, token_sha256

_LOOKED_AT_EVERY_S: Final = 1.0
_log = structlog.get_logger(__name__)


class FileEntry(BaseModel):
    """`token_sha256` is for nobody to see."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")]
    token_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    roles: Annotated[frozenset[str], Field(min_length=1, max_length=32)]
    expires_at: AwareDatetime | None = None


_entries: Final = TypeAdapter(
    Annotated[list[FileEntry], Field(max_length=1000)], config=ConfigDict(hide_input_in_errors=True)
)


class CredentialsFile:
    """`[{name, token_sha256, roles, expires_at}]`, the last one optional."""

    def __init__(self, path: Path | None) -> None:
        """Raises `ValueError`, without content."""
        self._path = path
        self._version = _version(path)
        self._entries = _read(path) if path is not None else ()
        self._look_again_s = 0.0

    def entries(self) -> tuple[FileEntry, ...]:
        self._reload()
        return self._entries

    def find(self, token: str) -> Principal | None:
        """In constant time."""
        self._reload()
        given, now = token_sha256(token), datetime.now(UTC)
        found: Principal | None = None
        for entry in self._entries:
            if hmac.compare_digest(entry.token_sha256, given) and (entry.expires_at is None or now < entry.expires_at):
                found = Principal(entry.name, entry.roles)
        return found

    def _reload(self) -> None:
        """What cannot be read leaves the entries before in force: it may be half written."""
        if self._path is None or time.monotonic() < self._look_again_s:
            return
        self._look_again_s = time.monotonic() + _LOOKED_AT_EVERY_S
        version = _version(self._path)
        if version == self._version:
            return
        try:
            self._entries = _read(self._path)
        except (OSError, ValueError) as error:
            _log.error("credentials.refused", error=type(error).__name__)
        else:
            _log.info("credentials.reloaded", entries=len(self._entries))
        self._version = version


def _read(path: Path) -> tuple[FileEntry, ...]:
    entries = tuple(_entries.validate_json(path.read_bytes()))
    if len({entry.name for entry in entries}) != len(entries):
        raise ValueError("two credentials have the same name")
    if len({entry.token_sha256 for entry in entries}) != len(entries):
        raise ValueError("two credentials have the same token")
    return entries


def _version(path: Path | None) -> tuple[int, int, int] | None:
    try:
        found = path.stat() if path is not None else None
    except OSError:
        return None
    return (found.st_mtime_ns, found.st_size, found.st_ino) if found else None
