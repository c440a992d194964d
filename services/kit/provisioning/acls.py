"""Kafka ACLs: each service may write its own topics and read what it receives, and nothing else.

Who sends and receives what is the contract's table of flows; this adds no list of its own.
"""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError, for_code

from schemas.flows import SHARED, flows
from schemas.topics import Topics
from services.kit.kafka.connection import KafkaConnection
from services.kit.provisioning.acl_requests import (
    Acl,
    CreateAcls,
    DeleteAcls,
    DescribeAcls,
    Operation,
    Pattern,
    Permission,
    Resource,
)
from services.kit.provisioning.topics import wait_until_empty

PRINCIPAL: Final = "User:{namespace}.{service}"
"""As SCRAM has it. With certificates a principal is their subject: `User:CN={service},O=…`."""
ANY_HOST: Final = "*"
_SETTLED_TIMEOUT_MS: Final = 15_000


class AclsRefused(Exception):
    """The broker has no authorizer, or does not let this client change its ACLs."""


@dataclass(frozen=True, slots=True)
class AclReport:
    granted: list[Acl] = field(default_factory=list)
    removed: list[Acl] = field(default_factory=list)
    unchanged: list[Acl] = field(default_factory=list)


def principal_of(service: str, namespace: str, principal: str = PRINCIPAL) -> str:
    return principal.format(namespace=namespace, service=service)


def acls_of(topics: Topics, departments: Iterable[str], principal: str = PRINCIPAL) -> set[Acl]:
    """A service also reads the topics of its state back, to compare them with its database."""
    departments = list(departments)
    states = {spec.name for spec in topics.specs(departments) if spec.config["cleanup.policy"] == "compact"}
    acls = set()

    def allow(service: str, operation: Operation, resource: Resource, name: str, pattern: Pattern) -> None:
        who = principal_of(service, topics.namespace, principal)
        acls.add(Acl(resource, name, pattern, who, ANY_HOST, operation, Permission.ALLOW))

    for flow in flows(topics, departments):
        allow(flow.sender, Operation.WRITE, Resource.TOPIC, flow.topic, Pattern.LITERAL)
        for reader in {*flow.receivers, *([flow.sender] if flow.topic in states else [])}:
            allow(reader, Operation.READ, Resource.TOPIC, flow.topic, Pattern.LITERAL)
    for service in (*departments, *SHARED):
        group = topics.group(service)
        allow(service, Operation.READ, Resource.GROUP, group, Pattern.LITERAL)
        allow(service, Operation.READ, Resource.GROUP, f"{group}.", Pattern.PREFIXED)
    return acls


async def set_acls(
    kafka: KafkaConnection, topics: Topics, departments: Iterable[str], *, principal: str = PRINCIPAL
) -> AclReport:
    """Grant what is missing and remove what a service's principal has beyond that in this namespace.

    Others' ACLs stay. Raises `AclsRefused`, and what the broker raises.
    """
    return await _replace(kafka, topics.namespace, principal, acls_of(topics, departments, principal))


async def remove_acls(kafka: KafkaConnection, namespace: str, *, principal: str = PRINCIPAL) -> AclReport:
    return await _replace(kafka, namespace, principal, set())


async def _replace(kafka: KafkaConnection, namespace: str, principal: str, wanted: set[Acl]) -> AclReport:
    async with admin_of(kafka) as admin:

        async def ours() -> set[Acl]:
            return {acl for acl in await _described(admin) if _is_ours(acl, namespace, principal)}

        held = await ours()
        report = AclReport(sorted(wanted - held), sorted(held - wanted), sorted(wanted & held))
        if report.granted:
            answer = await admin._send_request(CreateAcls(report.granted))
            for code, message in answer.creation_responses:
                _check(code, message)
        if report.removed:
            answer = await admin._send_request(DeleteAcls(report.removed))
            for code, message, _ in answer.filter_responses:
                _check(code, message)

        async def unsettled() -> list[str]:
            return [acl.name for acl in await ours() ^ wanted]

        await wait_until_empty(unsettled, "its ACLs")
        return report


async def _described(admin: AIOKafkaAdminClient) -> list[Acl]:
    answer = await admin._send_request(DescribeAcls())
    _check(answer.error_code, answer.error_message)
    return [Acl(resource, name, pattern, *rest) for resource, name, pattern, acls in answer.resources for rest in acls]


def _is_ours(acl: Acl, namespace: str, principal: str) -> bool:
    """Of a service that there is, or was, on resources of the namespace or on those that take them in."""
    before, after = (part.replace("{namespace}", namespace) for part in principal.split("{service}"))
    of_a_service = acl.principal.startswith(before) and acl.principal.endswith(after)
    prefix = f"{namespace}."
    covers = acl.name == "*" or (acl.pattern == Pattern.PREFIXED and prefix.startswith(acl.name))
    return of_a_service and (acl.name.startswith(prefix) or covers)


@asynccontextmanager
async def admin_of(kafka: KafkaConnection) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(**kafka.options(), request_timeout_ms=_SETTLED_TIMEOUT_MS)
    try:
        await admin.start()
        yield admin
    finally:
        await admin.close()


def _check(code: int, message: str | None) -> None:
    if code:
        error: type[KafkaError] = for_code(code)
        raise AclsRefused(f"{error.__name__}: {message or error.description}")
