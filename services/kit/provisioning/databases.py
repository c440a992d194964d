"""A database for each service, with two roles: the owner migrates it, the service works with it.

The gateway reads the clearance's database through `lixiao_reader`, to which its migrations grant the read model.
"""

import base64
import hashlib
import hmac
import json
import re
import secrets as random
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg

from schemas.flows import CLEARANCE, GATEWAY, SHARED
from services.kit.names import AdvisoryLock
from services.kit.postgres.migrations import KIT_MIGRATIONS
from services.kit.provisioning.roles import AUDITOR, OWNER_SUFFIX, owner_of, rights
from services.kit.runtime.private_files import write_private

READER: Final = "lixiao_reader"
"""Cannot log in."""
DATABASE_VARIABLE: Final = "LIXIAO_DATABASE"
OWNER_VARIABLE: Final = "LIXIAO_MIGRATION_DATABASE"
READ_MODEL_VARIABLE: Final = "LIXIAO_READ_MODEL"
_AUDIT_MIGRATIONS: Final = KIT_MIGRATIONS / "audit"
_SCRAM_ROUNDS: Final = 4096
_IDENTIFIER: Final = re.compile(r"^[a-z][a-z0-9_]{0,62}$")

Secrets = dict[str, dict[str, str]]
"""Service → environment variables."""


@dataclass(frozen=True, slots=True)
class Provisioned:
    secrets: Secrets
    created: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)


async def create_databases(
    superuser: str, departments: Iterable[str], secrets: Path, *, namespace: str = "lixiao"
) -> Provisioned:
    """Create what is missing; `superuser` is a DSN.

    Passwords in `secrets` (JSON, mode 0600) are kept. It is written first: the next run completes an interrupted one.
    """
    services = [*departments, *SHARED]
    connection = await asyncpg.connect(superuser, timeout=10, command_timeout=60)
    try:
        # Held for the file too: file and passwords must come from the same run.
        await connection.execute("select pg_advisory_lock($1)", AdvisoryLock.PROVISIONING)
        roles, addresses = _planned(superuser, services, secrets, namespace)
        done = Provisioned(addresses)
        await _role(connection, READER, "nologin")
        await _role(connection, AUDITOR, "nologin")
        for each in roles.values():
            for role, password in ((each.owner, each.owner_password), (each.service, each.password)):
                await _role(connection, role, f"login password '{scram_verifier(password)}'")
            made = await _database(connection, each)
            await _rights(superuser, each.service)
            (done.created if made else done.unchanged).append(each.service)
        await connection.execute(f'grant "{READER}" to "{roles[GATEWAY].service}"')
        await connection.execute(f'grant connect on database "{roles[CLEARANCE].service}" to "{READER}"')
    finally:
        await connection.close(timeout=5)
    return done


def write_addresses(superuser: str, departments: Iterable[str], secrets: Path, *, namespace: str = "lixiao") -> Secrets:
    """What `create_databases` will have written to `secrets`, while there is no server yet."""
    return _planned(superuser, [*departments, *SHARED], secrets, namespace)[1]


def _planned(
    superuser: str, services: Iterable[str], secrets: Path, namespace: str
) -> tuple[dict[str, "_Roles"], Secrets]:
    stored = _read(secrets)
    roles = {each: _Roles.of(stored.get(each, {}), _identifier(namespace, each)) for each in services}
    addresses = {service: each.variables(superuser) for service, each in roles.items()}
    gateway = roles[GATEWAY]
    addresses[GATEWAY][READ_MODEL_VARIABLE] = _dsn(
        superuser, gateway.service, gateway.password, roles[CLEARANCE].service
    )
    write_private(secrets, json.dumps({**stored, **addresses}, indent=2) + "\n")
    return roles, addresses


@dataclass(frozen=True, slots=True)
class _Roles:
    """Of one database, which has the name of the service's role."""

    service: str
    owner: str
    password: str = field(repr=False)
    owner_password: str = field(repr=False)

    @classmethod
    def of(cls, stored: dict[str, str], service: str) -> "_Roles":
        """With the passwords of `stored`."""
        owner = owner_of(service)
        password = _password(stored, DATABASE_VARIABLE, service)
        return cls(service, owner, password, _password(stored, OWNER_VARIABLE, owner))

    def variables(self, superuser: str) -> dict[str, str]:
        return {
            DATABASE_VARIABLE: _dsn(superuser, self.service, self.password, self.service),
            OWNER_VARIABLE: _dsn(superuser, self.owner, self.owner_password, self.service),
        }


async def _role(connection: "asyncpg.Connection[Any]", name: str, options: str) -> None:
    exists = await connection.fetchval("select exists (select from pg_roles where rolname = $1)", name)
    verb = "alter" if exists else "create"
    await connection.execute(f'{verb} role "{name}" nosuperuser nocreatedb nocreaterole noreplication {options}')


async def _database(connection: "asyncpg.Connection[Any]", roles: _Roles) -> bool:
    name = roles.service
    exists = await connection.fetchval("select exists (select from pg_database where datname = $1)", name)
    if not exists:
        await connection.execute(f'create database "{name}" owner "{roles.owner}"')
    # By default every role may connect to every database. One from before is the service's.
    await connection.execute(
        f'revoke all on database "{name}" from public; alter database "{name}" owner to "{roles.owner}"; '
        f'revoke all on database "{name}" from "{name}"; grant connect on database "{name}" to "{name}"'
    )
    return not exists


async def _rights(superuser: str, name: str) -> None:
    parts = urlsplit(superuser)
    connection = await asyncpg.connect(urlunsplit(parts._replace(path=f"/{name}")), timeout=10, command_timeout=60)
    try:
        async with connection.transaction():
            for file in sorted(_AUDIT_MIGRATIONS.glob("*.sql")):
                await connection.execute(file.read_text("utf-8"))
            await connection.execute(rights(name))
    finally:
        await connection.close(timeout=5)


def scram_verifier(password: str, *, salt: bytes | None = None) -> str:
    """SCRAM-SHA-256: no statement or server log shows the password."""
    salt = salt or random.token_bytes(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, _SCRAM_ROUNDS)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    salt_text, stored_text, server_text = (base64.b64encode(part).decode() for part in (salt, stored, server))
    return f"SCRAM-SHA-256${_SCRAM_ROUNDS}:{salt_text}${stored_text}:{server_text}"


def _identifier(namespace: str, service: str) -> str:
    name = f"{namespace}_{service}".replace("-", "_")
    if not _IDENTIFIER.match(owner_of(name)) or name in (READER, AUDITOR) or name.endswith(OWNER_SUFFIX):
        raise ValueError(f"{name!r} cannot be the name of a role and a database")
    return name


def _dsn(superuser: str, role: str, password: str, database: str) -> str:
    parts = urlsplit(superuser)
    server = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, f"{role}:{quote(password, safe='')}@{server}", f"/{database}", parts.query, ""))


def _password(stored: dict[str, str], variable: str, role: str) -> str:
    """As before, or a new one."""
    parts = urlsplit(stored.get(variable, ""))
    return parts.password if parts.username == role and parts.password else random.token_urlsafe(32)


def _read(path: Path) -> Secrets:
    if not path.exists():
        return {}
    found = json.loads(path.read_text("utf-8"))
    if not isinstance(found, dict):
        raise ValueError(f"{path.name}: not a secrets file of this command")
    return found
