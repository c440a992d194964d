"""Bearer tokens for an application under test."""

import json
import tempfile
from pathlib import Path

from services.kit.http.access.auth import Credentials, token_sha256


def credentials(**accounts: tuple[str, list[str]]) -> Credentials:
    """Accounts by name: their token and their roles."""
    entries = [
        {"name": name, "token_sha256": token_sha256(token), "roles": roles} for name, (token, roles) in accounts.items()
    ]
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(entries, file)
        file.flush()
        return Credentials.load(Path(file.name))
