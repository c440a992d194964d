"""Creates the contract's topics; never adds partitions."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    GroupCoordinatorNotAvailableError,
    TopicAlreadyExistsError,
    for_code,
)

from schemas.topics import KEPT_DAYS, PARTITIONS, Topics, TopicSpec
from services.kit.kafka.connection import KafkaConnection

_MAX_REPLICAS: Final = 3
_SETTLED_WITHIN_S: Final = 30.0
_OFFSETS: Final = "__consumer_offsets"
_SET_ON_THE_TOPIC: Final = 1
"""Kafka's DYNAMIC_TOPIC_CONFIG: not a broker default."""


class TopicMismatch(Exception):
    """Existing topics differ in what must not be changed."""


@dataclass(frozen=True, slots=True)
class TopicReport:
    """`remarks` are for an operator to repair."""

    created: list[str] = field(default_factory=list)
    altered: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


async def create_topics(
    kafka: KafkaConnection,
    topics: Topics,
    departments: Iterable[str],
    *,
    partitions: int = PARTITIONS,
    replication_factor: int | None = None,
    days: int = KEPT_DAYS,
) -> TopicReport:
    """Returns when each partition has a leader and consumer groups a coordinator.

    `days`: how long ordinary topics keep their records. `replication_factor` defaults to min(3, brokers); writes need
    one less. Raises `TopicMismatch`, with nothing changed but topics the broker had not listed, for another number of
    partitions.
    """
    admin = AIOKafkaAdminClient(**kafka.options(), request_timeout_ms=15_000)
    await admin.start()
    try:
        replicas = replication_factor or min(_MAX_REPLICAS, len((await admin.describe_cluster())["brokers"]))
        wanted = [_configured(spec, replicas) for spec in topics.specs(departments, partitions, days=days)]
        report = TopicReport()
        names = set(await admin.list_topics())
        existing = [spec for spec in wanted if spec.name in names]
        await _check(admin, existing, replicas, report)
        found = await _create(admin, [spec for spec in wanted if spec.name not in names], replicas, report)
        await wait_until_empty(lambda: _leaderless(admin, found), "a leader")
        await _check(admin, found, replicas, report)
        await _configure(admin, existing + found, report)
        await wait_until_empty(lambda: _leaderless(admin, wanted), "a leader")
        await wait_until_empty(lambda: _without_coordinators(admin, topics), "a leader")
        return report
    finally:
        await admin.close()


def _configured(spec: TopicSpec, replicas: int) -> TopicSpec:
    config = {**spec.config, "min.insync.replicas": str(max(1, replicas - 1))}
    return TopicSpec(spec.name, spec.partitions, config)


async def _check(admin: AIOKafkaAdminClient, present: Sequence[TopicSpec], replicas: int, report: TopicReport) -> None:
    if not present:
        return
    partitions = {spec.name: spec.partitions for spec in present}
    wrong = []
    for topic in await admin.describe_topics(list(partitions)):
        name, parts = topic["topic"], topic["partitions"]
        if len(parts) != partitions[name]:
            wrong.append(f"{name} has {len(parts)} partitions, not {partitions[name]}")
        elif any(len(part["replicas"]) != replicas for part in parts):
            report.remarks.append(f"{name} does not have {replicas} replicas everywhere: reassign its partitions")
    if wrong:
        raise TopicMismatch(
            "; ".join(wrong) + ". Partitions are never grown in place, because students would move between them: "
            "a new count is a new topic and a rebuilt view"
        )


async def _create(
    admin: AIOKafkaAdminClient, missing: Sequence[TopicSpec], replicas: int, report: TopicReport
) -> list[TopicSpec]:
    """Returns those that exist after all: the broker's list lags behind, or another run has created them."""
    if not missing:
        return []
    new = [NewTopic(spec.name, spec.partitions, replicas, topic_configs=spec.config) for spec in missing]
    response = await admin.create_topics(new, timeout_ms=15_000)
    found = set()
    for name, code, *message in response.topic_errors:
        error = for_code(code)
        if error is TopicAlreadyExistsError:
            found.add(name)
        elif code:
            raise error(f"{name}: {message[0] if message else ''}")
        else:
            report.created.append(name)
    return [spec for spec in missing if spec.name in found]


async def _configure(admin: AIOKafkaAdminClient, present: Sequence[TopicSpec], report: TopicReport) -> None:
    if not present:
        return
    found = await _topic_configs(admin, [spec.name for spec in present])
    changes = []
    for spec in present:
        current = found[spec.name]
        if spec.config.items() <= current.items():
            report.unchanged.append(spec.name)
        else:
            # The request replaces a topic's whole configuration, so its other entries are resent.
            changes.append(ConfigResource(ConfigResourceType.TOPIC, spec.name, {**current, **spec.config}))
            report.altered.append(spec.name)
    if changes:
        for response in await admin.alter_configs(changes):
            for code, message, _, name in response.resources:
                if code:
                    raise for_code(code)(f"{name}: {message}")
        await wait_until_empty(lambda: _unsettled(admin, changes), "its configuration")


async def _topic_configs(admin: AIOKafkaAdminClient, names: Sequence[str]) -> dict[str, dict[str, str]]:
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    found: dict[str, dict[str, str]] = {}
    for response in await admin.describe_configs(resources):
        for code, message, _, name, entries in response.resources:
            if code:
                raise for_code(code)(f"{name}: {message}")
            found[name] = {entry[0]: entry[1] for entry in entries if entry[3] == _SET_ON_THE_TOPIC}
    return found


async def _leaderless(admin: AIOKafkaAdminClient, wanted: Sequence[TopicSpec]) -> list[str]:
    if not wanted:
        return []
    described = await admin.describe_topics([spec.name for spec in wanted])
    return [topic["topic"] for topic in described if not _has_leaders(topic)]


async def _without_coordinators(admin: AIOKafkaAdminClient, topics: Topics) -> list[str]:
    """A new cluster makes the topic of groups when the first is looked for: consumers would log errors meanwhile."""
    try:
        await admin.find_coordinator(topics.group("provisioning"))
    except GroupCoordinatorNotAvailableError:
        return [_OFFSETS]
    except GroupAuthorizationFailedError:
        return []
    described = await admin.describe_topics([_OFFSETS])
    return [_OFFSETS] if any(part["leader"] < 0 for topic in described for part in topic["partitions"]) else []


async def _unsettled(admin: AIOKafkaAdminClient, changes: Sequence[ConfigResource]) -> list[str]:
    current = await _topic_configs(admin, [change.name for change in changes])
    return [change.name for change in changes if not change.configs.items() <= current[change.name].items()]


async def wait_until_empty(lacking: Callable[[], Awaitable[list[str]]], what: str) -> None:
    """A broker acknowledges a change before every broker has it."""
    deadline = time.monotonic() + _SETTLED_WITHIN_S
    while names := await lacking():
        if time.monotonic() > deadline:
            raise TopicMismatch(f"{', '.join(names)}: without {what} after {_SETTLED_WITHIN_S:g} s")
        await asyncio.sleep(0.1)


def _has_leaders(topic: Mapping[str, Any]) -> bool:
    return topic["error_code"] == 0 and all(part["leader"] >= 0 for part in topic["partitions"])
