"""Tokens of the demonstration's desks and systems: a file each for whoever calls, their sums for whoever is called.

A token is made once and kept, readable to its owner alone, so that a command with it works after a restart too.
"""

import hashlib
import json
import secrets
from collections.abc import Mapping
from pathlib import Path

from services.kit.runtime.private_files import write_private


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
