"""Bearer tokens of local desks and systems: token files for callers, digests for services.

Tokens are kept, so that a command still works after a restart.
"""

import hashlib
import json
import secrets
from collections.abc import Collection, Mapping
from pathlib import Path

from services.kit.runtime.private_files import write_private
from services.kit.signing.keys import create_key


class Accounts:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def token_file(self, account: str) -> Path:
        return _secret(self.folder / "tokens" / account)

    def token(self, account: str) -> str:
        return self.token_file(account).read_text()

    def credentials(self, service: str, roles: Mapping[str, Collection[str]]) -> Path:
        """Write a service's `LIXIAO_CREDENTIALS`. `roles`: account → its roles."""
        file = self.folder / "credentials" / f"{service}.json"
        entries = [
            {
                "name": account,
                "token_sha256": hashlib.sha256(self.token(account).encode()).hexdigest(),
                "roles": sorted(granted),
            }
            for account, granted in roles.items()
        ]
        write_private(file, json.dumps(entries, indent=2))
        return file

    @property
    def trusted_keys(self) -> Path:
        """Public keys of every service that has asked for its own."""
        return self.folder / "trusted-keys"

    def signing_key(self, service: str) -> Path:
        """The service's private key; its public one is among the trusted."""
        file = self.folder / "signing-keys" / f"{service}.pem"
        if not file.exists():
            create_key(file, self.trusted_keys, service)
        return file

    @property
    def kafka_passwords(self) -> Path:
        """A file for each service that signs in to Kafka."""
        return self.folder / "kafka-passwords"

    def client_secret(self) -> str:
        return _secret(self.folder / "openid-client-secret").read_text()

    def trace_key(self) -> str:
        """The same for every service."""
        return _secret(self.folder / "trace-key").read_text()


def _secret(file: Path) -> Path:
    if not file.exists():
        write_private(file, secrets.token_urlsafe(32))
    return file
