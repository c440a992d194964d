"""What a service's user of Kafka opens: its own topics, and nothing of another service."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import GroupAuthorizationFailedError, KafkaConnectionError, TopicAuthorizationFailedError

from deploy.local.installation import Installation
from schemas.flows import GATEWAY, SHARED, flows
from services.kit.kafka.connection import KafkaConnection
from services.kit.messaging.log_positions.topic_metadata import topic_metadata
from services.kit.provisioning.acls import AclsRefused, admin_of, set_acls
from services.kit.provisioning.kafka_users import alter_users, as_service, new_password
from tests.support.kafka.topics import Producer

REFUSED_WITHIN_S = 20


@asynccontextmanager
async def reader(kafka: KafkaConnection, *topics: str, **options: Any) -> AsyncIterator[AIOKafkaConsumer]:
    consumer = AIOKafkaConsumer(*topics, **kafka.options(), auto_offset_reset="earliest", **options)
    try:
        await consumer.start()
        yield consumer
    finally:
        await consumer.stop()


def user(installation: Installation, service: str) -> KafkaConnection:
    passwords = installation.accounts.kafka_passwords
    return as_service(installation.kafka, service, passwords, namespace=installation.namespace)


def all_topics(installation: Installation) -> set[str]:
    return {spec.name for spec in installation.topics.specs(installation.departments)}


@asynccontextmanager
async def refused(*errors: type[Exception]) -> AsyncIterator[None]:
    with pytest.raises(errors):
        async with asyncio.timeout(REFUSED_WITHIN_S):
            yield


async def seen(kafka: KafkaConnection, topics: set[str]) -> set[str]:
    async with admin_of(kafka) as admin:
        return set(await topic_metadata(admin._client, sorted(topics)))


async def test_a_service_writes_its_own_topics_and_no_other(installation: Installation) -> None:
    departments = list(installation.departments)
    senders = {flow.topic: flow.sender for flow in flows(installation.topics, departments)}
    assert senders.keys() == all_topics(installation)
    for service in (*departments, *SHARED):
        # As the relay: an idempotent producer.
        producer = AIOKafkaProducer(**user(installation, service).options(), acks="all", enable_idempotence=True)
        await producer.start()
        try:
            for topic in (topic for topic, sender in senders.items() if sender != service):
                async with refused(TopicAuthorizationFailedError):
                    await producer.send_and_wait(topic, b"x")
        finally:
            await producer.stop()


async def test_a_service_sees_the_topics_it_sends_or_receives_and_reads_no_other(installation: Installation) -> None:
    departments = list(installation.departments)
    for service in (*departments, *SHARED):
        own = {
            flow.topic
            for flow in flows(installation.topics, departments)
            if service == flow.sender or service in flow.receivers
        }
        assert await seen(user(installation, service), all_topics(installation)) == own

    for service, topic in (("dorm", installation.topics.status("library")), (GATEWAY, installation.topics.case)):
        async with refused(TopicAuthorizationFailedError), reader(user(installation, service), topic) as consumer:
            await consumer.getone()


async def test_a_service_joins_no_group_of_another(installation: Installation) -> None:
    library, topics = user(installation, "library"), installation.topics

    for group in (topics.group("dorm"), topics.group("clearance.projector"), topics.group("library-of-others")):
        async with refused(GroupAuthorizationFailedError), reader(library, topics.case, group_id=group) as consumer:
            await consumer.getone()


async def test_a_service_grants_nothing(installation: Installation) -> None:
    async with refused(AclsRefused):
        await set_acls(user(installation, "library"), installation.topics, ["library"])


async def test_who_is_not_known_gets_nowhere_and_who_has_no_grants_does_nothing(
    installation: Installation, tmp_path: Path
) -> None:
    stranger, password = f"stranger-{secrets.token_hex(4)}", new_password()
    (tmp_path / "password").write_text(password)
    library = user(installation, "library")
    as_stranger = replace(library, sasl_username=stranger, sasl_password_file=tmp_path / "password")
    for connection in (
        KafkaConnection(installation.kafka.bootstrap_servers),
        as_stranger,
        replace(library, sasl_password_file=tmp_path / "password"),
    ):
        async with refused(KafkaConnectionError), Producer(connection):
            pass

    await alter_users(installation.kafka, {stranger: password})
    try:
        assert await seen(as_stranger, all_topics(installation)) == set()
        async with Producer(as_stranger) as producer, refused(TopicAuthorizationFailedError):
            await producer.send(installation.topics.command, b"k", b"x", partition=0)
    finally:
        await alter_users(installation.kafka, {}, [stranger])
