"""Tokens of the demonstration's desks and systems: a file each for whoever calls, their sums for whoever is called.

A token is made once and kept, readable to its owner alone, so that a command with it works after a restart too.
"""

import hashlib
import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path


class Accounts:
    """Everybody who may call a service, in a folder of one demonstration."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def token_file(self, name: str) -> Path:
        """Where the token of an account lies; it is made when there is none."""
        return _kept(self.folder / "tokens" / name)

    def token(self, name: str) -> str:
        """The token of an account."""
        return self.token_file(name).read_text()

    def credentials(self, service: str, accounts: Mapping[str, str]) -> Path:
        """The file of `LIXIAO_CREDENTIALS` for one service, from account → role: sums, no tokens."""
        file = self.folder / "credentials" / f"{service}.json"
        entries = [
            {"name": name, "token_sha256": hashlib.sha256(self.token(name).encode()).hexdigest(), "roles": [role]}
            for name, role in accounts.items()
        ]
        write_private(file, json.dumps(entries, indent=2))
        return file

    def client_secret(self) -> str:
        """What the gateway authenticates with at the identity provider."""
        return _kept(self.folder / "openid-client-secret").read_text()


def _kept(file: Path) -> Path:
    if not file.exists():
        write_private(file, secrets.token_urlsafe(32))
    return file


def write_private(file: Path, text: str) -> None:
    """Write a file whole, readable to its owner alone."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    partial = file.with_name(f"{file.name}.partial")
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
        handle.write(text)
    partial.replace(file)
