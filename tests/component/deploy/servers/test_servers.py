"""What the local PostgreSQL, Kafka and Zipkin guarantee to everything that uses them."""

import asyncio
import secrets
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import asyncpg
import httpx
import psutil
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from deploy.local.processes.ports import LOOPBACK
from deploy.local.processes.state_folder import clean
from deploy.local.servers.kafka import Kafka
from deploy.local.servers.postgres import Postgres, create_database
from deploy.local.servers.server import Running
from deploy.local.servers.zipkin import MAX_SPANS, Zipkin
from services.kit.kafka.connection import KafkaConnection
from tests.support.waiting import eventually

SPANS_A_REQUEST = 500


@pytest.fixture
def ended_after(tmp_path: Path) -> Iterator[list[Postgres]]:
    """Servers that a test started itself; stopped after it."""
    servers: list[Postgres] = []
    yield servers
    for server in servers:
        server.stop()
    clean(tmp_path)


async def test_what_was_committed_survives_a_killed_database(own_postgres: Postgres) -> None:
    dsn = await create_database(own_postgres.address, f"kill_{secrets.token_hex(4)}")
    before = await asyncpg.connect(dsn)
    await before.execute("CREATE TABLE note (text text)")
    await before.execute("INSERT INTO note VALUES ('kept')")
    own_postgres.kill()
    before.terminate()
    own_postgres.start().wait_ready()
    after = await asyncpg.connect(dsn)
    try:
        assert await after.fetchval("SELECT text FROM note") == "kept"
    finally:
        await after.close()


async def test_a_database_server_killed_from_outside_starts_again_while_a_session_of_it_still_computes(
    own_postgres: Postgres,
) -> None:
    session = await asyncpg.connect(own_postgres.address)
    computing = asyncio.create_task(session.execute("SELECT sum(sqrt(i)) FROM generate_series(1, 30000000) i"))
    await eventually(lambda: is_computing(own_postgres), what="the session to compute")
    assert own_postgres.pid
    psutil.Process(own_postgres.pid).kill()
    await eventually(lambda: own_postgres.pid is None, what="the server to be gone")
    own_postgres.start().wait_ready()
    session.terminate()
    with suppress(asyncpg.PostgresError, OSError):
        await computing


async def is_computing(server: Postgres) -> bool:
    connection = await asyncpg.connect(server.address)
    try:
        return bool(await connection.fetchval("SELECT true FROM pg_stat_activity WHERE query LIKE 'SELECT sum(sqrt%'"))
    finally:
        await connection.close()


async def test_a_database_server_asks_for_a_password(own_postgres: Postgres) -> None:
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(own_postgres.address.replace("lixiao:", "lixiao:not-"))


async def test_a_database_server_runs_in_a_folder_closed_to_others(tmp_path: Path, ended_after: list[Postgres]) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    ended_after.append(Postgres(closed).start().wait_ready())
    connection = await asyncpg.connect(ended_after[0].address)
    try:
        assert await connection.fetchval("SELECT 1") == 1
        assert psutil.Process(ended_after[0].pid).uids().effective != 0
    finally:
        await connection.close()


def test_two_database_servers_choose_different_ports(tmp_path: Path, ended_after: list[Postgres]) -> None:
    ended_after += [Postgres(tmp_path / name).start().wait_ready() for name in ("one", "two")]
    assert ended_after[0].address != ended_after[1].address


async def test_what_kafka_acknowledged_survives_its_kill(own_kafka: Kafka) -> None:
    topic, address = await new_topic(own_kafka.address), own_kafka.address
    await send(address, topic, b"kept")
    own_kafka.kill()
    own_kafka.start().wait_ready()
    assert own_kafka.address == address
    assert await read_first(address, topic) == b"kept"


def test_kafka_keeps_its_data_below_a_folder_of_any_name_in_any_locale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", "C")
    state = tmp_path / "离校 𠮷" / "état"
    kafka = Kafka(state)
    try:
        kafka.start().wait_ready()
    finally:
        kafka.stop()
    assert (state / "kafka" / "data" / "meta.properties").exists()
    assert [each.name for each in tmp_path.iterdir()] == ["离校 𠮷"]
    clean(tmp_path)


def test_kafka_starts_whatever_its_cluster_id_begins_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deploy.local.servers.kafka.secrets.token_urlsafe", lambda _: f"-{'A' * 21}")
    kafka = Kafka(tmp_path)
    try:
        kafka.start().wait_ready()
    finally:
        kafka.stop()
        clean(tmp_path)


async def test_a_paused_kafka_answers_nothing_and_a_resumed_one_goes_on(own_kafka: Kafka) -> None:
    topic = await new_topic(own_kafka.address)
    own_kafka.pause()
    try:
        assert not await Kafka.answers(own_kafka.address, timeout_s=0.5)
    finally:
        own_kafka.resume()
    await send(own_kafka.address, topic, b"after the pause")
    assert await read_first(own_kafka.address, topic) == b"after the pause"


async def test_kafka_creates_no_topic_by_itself(own_kafka: Kafka) -> None:
    unknown = f"unknown-{secrets.token_hex(4)}"
    producer = AIOKafkaProducer(**own_kafka.address.options(), request_timeout_ms=1_000)
    await producer.start()
    try:
        with pytest.raises(Exception, match="(?i)unknown|timeout|available"):
            await producer.send_and_wait(unknown, b"lost")
    finally:
        await producer.stop()
    admin = AIOKafkaAdminClient(**own_kafka.address.options())
    await admin.start()
    try:
        assert unknown not in await admin.list_topics()
    finally:
        await admin.close()


def test_nothing_listens_beyond_this_machine(own_postgres: Postgres, own_kafka: Kafka) -> None:
    listening = [
        connection.laddr.ip
        for server in (own_postgres, own_kafka)
        for connection in psutil.Process(server.pid).net_connections()
        if connection.status == psutil.CONN_LISTEN
    ]
    assert len(listening) >= 3
    assert {address.removeprefix("::ffff:") for address in listening} == {LOOPBACK}


async def test_zipkin_gives_back_the_spans_it_took(zipkin: Running) -> None:
    (trace_id,) = collect(zipkin.address, traces=1)
    await eventually(lambda: is_kept(zipkin.address, trace_id), what="the span in Zipkin")


async def test_zipkin_lets_old_spans_go_before_its_memory_is_full(tmp_path: Path) -> None:
    zipkin = Zipkin(tmp_path)
    zipkin.start().wait_ready()
    try:
        sent = [
            trace_id
            for _ in range(2 * MAX_SPANS // SPANS_A_REQUEST)
            for trace_id in collect(zipkin.address, traces=50, spans=SPANS_A_REQUEST // 50)
        ]
        await eventually(lambda: is_kept(zipkin.address, sent[-1]), what="the newest span in Zipkin")
        assert not is_kept(zipkin.address, sent[0])
    finally:
        zipkin.stop()


def collect(address: str, *, traces: int, spans: int = 1) -> list[str]:
    """Send traces of `spans` spans each, as large as those of SQL statements; their ids."""
    ids = [secrets.token_hex(16) for _ in range(traces)]
    sent = [
        {
            "traceId": trace_id,
            "id": secrets.token_hex(8),
            "name": f"UPDATE student_record {number}",
            "kind": "CLIENT",
            "timestamp": int(time.time() * 1e6),
            "duration": 5,
            "localEndpoint": {"serviceName": "test"},
            "tags": {
                "db.system": "postgresql",
                "db.statement": "UPDATE student_record SET record = $2, version = $3 WHERE student_id = $1" * 2,
                "db.user": "lixiao_library",
                "otel.scope.name": "opentelemetry.instrumentation.asyncpg",
                "otel.scope.version": "0.60b1",
                "service.instance.id": secrets.token_hex(16),
            },
        }
        for trace_id in ids
        for number in range(spans)
    ]
    answer = httpx.post(f"{address}/api/v2/spans", json=sent, timeout=30)
    assert answer.status_code == 202
    return ids


def is_kept(address: str, trace_id: str) -> bool:
    return httpx.get(f"{address}/api/v2/trace/{trace_id}", timeout=30).status_code == 200


async def new_topic(address: KafkaConnection) -> str:
    """A topic of one partition; returns its name."""
    name = f"servers-{secrets.token_hex(4)}"
    admin = AIOKafkaAdminClient(**address.options())
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, num_partitions=1, replication_factor=1)])
    finally:
        await admin.close()
    return name


async def send(address: KafkaConnection, topic: str, value: bytes) -> None:
    """Send one record and wait for its acknowledgement."""
    producer = AIOKafkaProducer(**address.options(), acks="all")
    await producer.start()
    try:
        await producer.send_and_wait(topic, value)
    finally:
        await producer.stop()


async def read_first(address: KafkaConnection, topic: str) -> bytes:
    """The first record of a topic."""
    consumer = AIOKafkaConsumer(**address.options(), auto_offset_reset="earliest")
    await consumer.start()
    try:
        consumer.assign([TopicPartition(topic, 0)])
        return bytes((await consumer.getone()).value)
    finally:
        await consumer.stop()
