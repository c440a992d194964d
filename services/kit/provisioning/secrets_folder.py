"""Every secret of an installation, before anything runs: a folder for each service and server, with what it reads.

A service's folder is its LIXIAO_SECRETS_FOLDER, mounted at `/secrets`: compose binds it, Kubernetes has it as a Secret.
Files that are there are kept, so that repeating it adds a department and renews certificates.
"""

import hashlib
import json
import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlunsplit

from schemas.flows import CLEARANCE, GATEWAY, NOTICES, SHARED
from services.kit.names import ROSTER
from services.kit.provisioning.accounts import accounts_of, operating_account, staff_account
from services.kit.provisioning.certificates import Authority
from services.kit.provisioning.databases import DATABASE_VARIABLE, OWNER_VARIABLE, READ_MODEL_VARIABLE, write_addresses
from services.kit.provisioning.kafka_users import password_in
from services.kit.runtime.private_files import write_private
from services.kit.signing.keys import create_key

MOUNTED: Final = "/secrets"
PORT, OPERATOR_PORT = 8080, 9090
ADMIN: Final = "admin"
"""The folder of what provisioning reads, and its user of Kafka."""
AUTHORITY_FILE: Final = "authority.pem"


@dataclass(frozen=True)
class SecretsFolder:
    """`postgres`: `superuser@host:port`. `servers`: folders that get a certificate for their names. `public_hosts`: the
    proxy's.

    `trusted`: PEM of authorities that the gateway believes beside the installation's own, as the identity provider's.
    """

    folder: Path
    departments: Collection[str]
    postgres: str
    servers: Mapping[str, Sequence[str]] = field(default_factory=dict)
    public_hosts: Sequence[str] = ()
    trusted: Path | None = None
    namespace: str = "lixiao"

    def write(self) -> list[str]:
        """Names of the certificates that were made."""
        authority = Authority(self.folder / "authority")
        clients = {name: [name] for name in (*self.services, ADMIN)}
        made = [name for name, hosts in {**clients, **self.servers}.items() if self._certified(authority, name, hosts)]
        if self.public_hosts:
            if authority.issue(self.folder / "proxy", *self.public_hosts):
                made.append("proxy")
            shutil.copyfile(authority.file, self.folder / "proxy" / AUTHORITY_FILE)
        self._databases()
        for service in self.services:
            self._signing_key(service)
            self._credentials(service)
            password = password_in(self.folder / "kafka-passwords" / service)
            write_private(self._of(service, "kafka-password"), password)
            write_private(self._of(service, "lixiao_trace_key"), password_in(self.folder / "trace-key"))
        password_in(self._of(ADMIN, "kafka-password"))
        password_in(self._of(GATEWAY, "openid-client-secret"))
        self._desks()
        trusted = self.trusted.read_bytes() if self.trusted else b""
        (self.folder / GATEWAY / "authorities.pem").write_bytes(authority.file.read_bytes() + trusted)
        return made

    @property
    def services(self) -> tuple[str, ...]:
        return (*self.departments, *SHARED)

    def token(self, account: str) -> str:
        return password_in(self.folder / "tokens" / account)

    def _certified(self, authority: Authority, name: str, hosts: Sequence[str]) -> bool:
        shutil.copyfile(authority.file, self._of(name, AUTHORITY_FILE))
        return authority.issue(self.folder / name, *hosts, "localhost", "127.0.0.1")

    def _databases(self) -> None:
        parameters = f"sslmode=verify-full&sslrootcert={quote(f'{MOUNTED}/{AUTHORITY_FILE}')}"
        password = quote(password_in(self._of(ADMIN, "postgres-password")), safe="")
        user, _, server = self.postgres.partition("@")
        superuser = urlunsplit(("postgresql", f"{user}:{password}@{server}", "/postgres", parameters, ""))
        write_private(self._of(ADMIN, "lixiao_postgres"), superuser)
        addresses = write_addresses(
            superuser, self.departments, self._of(ADMIN, "databases.json"), namespace=self.namespace
        )
        for service, variables in addresses.items():
            for variable in (DATABASE_VARIABLE, READ_MODEL_VARIABLE):
                if variable in variables:
                    write_private(self._of(service, variable.lower()), variables[variable])
            # The owner's is for migrations, not for the service.
            write_private(self.folder / "owners" / service, variables[OWNER_VARIABLE])

    def _signing_key(self, service: str) -> None:
        private = self._of(service, "signing-key.pem")
        if not private.exists():
            create_key(private, self.folder / "trusted-keys", service)

    def _credentials(self, service: str) -> None:
        entries = [
            {
                "name": account,
                "token_sha256": hashlib.sha256(self.token(_file_of(service, account)).encode()).hexdigest(),
                "roles": sorted(roles),
            }
            for account, roles in accounts_of(service).items()
        ]
        write_private(self._of(service, "credentials.json"), json.dumps(entries, indent=2))

    def _desks(self) -> None:
        """The gateway's own tokens at the others, with their addresses."""
        desks = {name: self._desk(name, staff_account(name)) for name in self.departments}
        operated = {
            name: self._desk(name, operating_account(name), OPERATOR_PORT)
            for name in (*self.departments, CLEARANCE, NOTICES)
        }
        for variable, value in (
            ("lixiao_desks", desks),
            ("lixiao_roster", self._desk(CLEARANCE, staff_account(ROSTER))),
            ("lixiao_operated", operated),
            ("lixiao_notices", self._desk(NOTICES, staff_account(NOTICES))),
        ):
            write_private(self._of(GATEWAY, variable), json.dumps(value))

    def _desk(self, service: str, account: str, port: int = PORT) -> dict[str, str]:
        return {"address": f"https://{service}:{port}", "token": self.token(_file_of(service, account))}

    def _of(self, name: str, file: str) -> Path:
        """Its folder exists then."""
        path = self.folder / name / file
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return path


def _file_of(service: str, account: str) -> str:
    """One token for an account at one service."""
    return f"{service}/{account}"
