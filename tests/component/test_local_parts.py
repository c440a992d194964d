"""The ground: what the local PostgreSQL, Kafka and Zipkin promise to everything that stands on them."""

import asyncpg

from deploy.local.running import RunningKafka, RunningPostgres


async def test_a_new_database_is_empty(database: str) -> None:
    connection = await asyncpg.connect(database)
    try:
        assert await connection.fetchval("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == 0
    finally:
        await connection.close()


async def test_ns(namespace: str, kafka: RunningKafka, postgres: RunningPostgres) -> None:
    assert namespace
