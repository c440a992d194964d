"""With a Docker engine: the servers of a test session as containers (`pytest --containers`), by testcontainers.

The local servers are the default: they need nothing but Python. Containers are for who wants to test against an image
that is deployed. A session that asks for them and finds no engine ends at once and says so.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import docker
from docker.errors import DockerException
from testcontainers.community.kafka import KafkaContainer
from testcontainers.community.postgres import PostgresContainer

from deploy.local.servers.kafka import RunningKafka
from deploy.local.servers.server import Running
from services.kit.kafka.connection import KafkaConnection

POSTGRES_IMAGE: Final = "postgres:18-alpine"
KAFKA_IMAGE: Final = "confluentinc/cp-kafka:8.1.1"
POSTGRES_VARIABLE: Final = "LIXIAO_TEST_POSTGRES_IMAGE"
KAFKA_VARIABLE: Final = "LIXIAO_TEST_KAFKA_IMAGE"
"""Name other images, which start as these do."""
STARTED_WITHIN_S: Final = 120


class NoEngine(Exception):
    """There is no Docker engine to run containers on."""


def must_have_an_engine() -> None:
    """Raises `NoEngine` with the remedy, before any image is pulled."""
    try:
        client = docker.from_env(timeout=5)
        client.ping()
        client.close()
    except DockerException as error:
        raise NoEngine("no Docker engine answers: start one, or leave out --containers") from error


@contextmanager
def postgres_container() -> Iterator[Running]:
    """A PostgreSQL in a container, with the rights of a superuser."""
    must_have_an_engine()
    image = os.environ.get(POSTGRES_VARIABLE, POSTGRES_IMAGE)
    with PostgresContainer(image, username="lixiao", dbname="postgres", driver=None) as container:
        yield Running(container.get_connection_url())


@contextmanager
def kafka_container() -> Iterator[RunningKafka]:
    """A Kafka broker in a container, in KRaft mode."""
    must_have_an_engine()
    container = KafkaContainer(os.environ.get(KAFKA_VARIABLE, KAFKA_IMAGE)).with_kraft()
    container.with_env("KAFKA_AUTO_CREATE_TOPICS_ENABLE", "false")  # as the local servers and the compose file
    container.start(timeout=STARTED_WITHIN_S)
    try:
        yield Running(KafkaConnection(container.get_bootstrap_server()))
    finally:
        container.stop()
