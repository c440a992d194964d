"""A SCRAM user of Kafka for each service, with the password in a file of its own."""

import hashlib
import secrets
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from aiokafka.errors import KafkaError, for_code

from schemas.flows import SHARED
from services.kit.kafka.connection import KafkaConnection, SaslMechanism
from services.kit.provisioning.acl_requests import AlterUsers, ScramUser
from services.kit.provisioning.acls import admin_of
from services.kit.runtime.private_files import write_private

MECHANISM: Final[SaslMechanism] = "SCRAM-SHA-512"
_ROUNDS: Final = 4096
"""The passwords are random: more rounds would only make each connection slower."""


def user_of(service: str, namespace: str) -> str:
    return f"{namespace}.{service}"


def as_service(kafka: KafkaConnection, service: str, passwords: Path, *, namespace: str = "lixiao") -> KafkaConnection:
    """The same brokers, as the service's own user."""
    return replace(
        kafka,
        sasl_mechanism=MECHANISM,
        sasl_username=user_of(service, namespace),
        sasl_password_file=passwords / service,
    )


async def create_users(
    kafka: KafkaConnection,
    departments: Iterable[str],
    passwords: Path,
    *,
    namespace: str = "lixiao",
    rotate: Collection[str] = (),
) -> list[str]:
    """Returns the users. `passwords`: folder, a file a service, kept between runs. Those to `rotate` get a new one.

    The broker knows a new password before its file does: a client that reconnects in between tries again.
    """
    users: dict[str, str] = {}
    replaced: dict[Path, str] = {}
    for service in (*departments, *SHARED):
        file = passwords / service
        if service in rotate:
            users[user_of(service, namespace)] = replaced[file] = new_password()
        else:
            users[user_of(service, namespace)] = password_in(file)
    await alter_users(kafka, users)
    for file, password in replaced.items():
        write_private(file, password)
    return list(users)


async def alter_users(kafka: KafkaConnection, users: Mapping[str, str], deleted: Collection[str] = ()) -> None:
    """`users`: name → password. Raises what the broker answers."""
    async with admin_of(kafka) as admin:
        made = [_scram(name, password) for name, password in users.items()]
        answer = await admin._send_request(AlterUsers(made, list(deleted)))
    for user, code, message, *_ in answer.results:
        if code:
            error: type[KafkaError] = for_code(code)
            raise error(f"{user}: {message}")


def password_in(file: Path) -> str:
    """Made, with mode 0600, unless it exists."""
    if not file.exists():
        write_private(file, new_password())
    return file.read_text("utf-8").strip()


def new_password() -> str:
    return secrets.token_urlsafe(32)


def _scram(name: str, password: str) -> ScramUser:
    salt = secrets.token_bytes(24)
    return ScramUser(name, _ROUNDS, salt, hashlib.pbkdf2_hmac("sha512", password.encode(), salt, _ROUNDS))
