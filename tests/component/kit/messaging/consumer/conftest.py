"""A topic of four partitions, and a database of a department with a table of what was read."""

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from deploy.local.servers.kafka import RunningKafka
from schemas.topics import Topics
from services.kit.department.migration_folders import DEPARTMENT_FOLDERS
from services.kit.postgres.migrations import migrate
from services.kit.postgres.pool import open_pool
from services.kit.provisioning.topics import create_topics


@pytest.fixture
async def topic(kafka: RunningKafka, namespace: str) -> str:
    topics = Topics(namespace)
    await create_topics(kafka.address, topics, [], partitions=4)
    return topics.command


@pytest.fixture
async def pool(database: str) -> AsyncIterator["asyncpg.Pool[Any]"]:
    await migrate(database, DEPARTMENT_FOLDERS)
    pool = await open_pool(database, name="test")
    await pool.execute('CREATE TABLE stored (partition int, "offset" bigint, value bytea)')
    yield pool
    await pool.close()
