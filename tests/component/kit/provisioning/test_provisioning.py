"""Topics and databases made by one command each, run twice, run together, and against what was there before."""

import asyncio
import base64
import hmac
import json
import os
import secrets
import stat
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from deploy.local.processes.state_folder import clean
from deploy.local.servers.kafka import Kafka, RunningKafka
from deploy.local.servers.server import Running
from schemas.flows import SHARED
from schemas.topics import Topics
from services.kit.provisioning.databases import READER, create_databases, scram_verifier
from services.kit.provisioning.topics import TopicMismatch, create_topics

DEPARTMENTS = ("library", "dorm-office")


@pytest.fixture
async def admin(kafka: RunningKafka) -> AsyncIterator[AIOKafkaAdminClient]:
    client = AIOKafkaAdminClient(**kafka.address.options())
    await client.start()
    yield client
    await client.close()


async def config_of(admin: AIOKafkaAdminClient, topic: str) -> dict[str, str]:
    (answer,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
    return {entry[0]: entry[1] for entry in answer.resources[0][4]}


async def test_every_topic_of_the_contract_is_made_with_its_configuration(
    kafka: RunningKafka, namespace: str, admin: AIOKafkaAdminClient
) -> None:
    topics = Topics(namespace)
    wanted = {spec.name: spec for spec in topics.specs(DEPARTMENTS, 2)}
    report = await create_topics(kafka.address, topics, DEPARTMENTS, partitions=2)
    assert set(report.created) == set(wanted)
    described = await admin.describe_topics(list(wanted))
    assert {topic["topic"]: len(topic["partitions"]) for topic in described} == dict.fromkeys(wanted, 2)
    for name in (topics.status("library"), topics.command):
        assert wanted[name].config.items() <= (await config_of(admin, name)).items()


async def test_groups_have_a_coordinator_once_a_new_cluster_is_provisioned(tmp_path: Path) -> None:
    kafka = Kafka(tmp_path)
    try:
        kafka.start().wait_ready()
        await create_topics(kafka.address, Topics(), DEPARTMENTS, partitions=1)
        admin = AIOKafkaAdminClient(**kafka.address.options())
        await admin.start()
        try:
            assert {await admin.find_coordinator(f"group-{number}") for number in range(20)} == {1}
        finally:
            await admin.close()
    finally:
        kafka.stop()
        clean(tmp_path)


async def test_a_second_run_changes_nothing(kafka: RunningKafka, namespace: str) -> None:
    topics = Topics(namespace)
    first = await create_topics(kafka.address, topics, DEPARTMENTS, partitions=1)
    second = await create_topics(kafka.address, topics, DEPARTMENTS, partitions=1)
    assert (second.created, second.altered, second.remarks) == ([], [], [])
    assert set(second.unchanged) == set(first.created)


async def test_runs_at_the_same_time_make_each_topic_once(kafka: RunningKafka, namespace: str) -> None:
    topics = Topics(namespace)
    reports = await asyncio.gather(*(create_topics(kafka.address, topics, DEPARTMENTS, partitions=1) for _ in range(3)))
    created = [name for report in reports for name in report.created]
    assert sorted(created) == sorted(spec.name for spec in topics.specs(DEPARTMENTS))


async def test_a_department_that_came_later_gets_its_topics(kafka: RunningKafka, namespace: str) -> None:
    topics = Topics(namespace)
    await create_topics(kafka.address, topics, ["library"], partitions=1)
    report = await create_topics(kafka.address, topics, ["library", "sports"], partitions=1)
    assert set(report.created) == {
        getattr(topics, subject)("sports") for subject in ("status", "attestation", "answer", "audit")
    }


async def test_a_wrong_configuration_is_set_right_and_what_others_said_is_kept(
    kafka: RunningKafka, namespace: str, admin: AIOKafkaAdminClient
) -> None:
    topics = Topics(namespace)
    wrong = NewTopic(topics.case, 1, 1, topic_configs={"cleanup.policy": "delete", "segment.ms": "100000"})
    await admin.create_topics([wrong])
    report = await create_topics(kafka.address, topics, [], partitions=1)
    assert report.altered == [topics.case]
    said = await config_of(admin, topics.case)
    assert (said["cleanup.policy"], said["segment.ms"], said["retention.ms"]) == ("compact", "100000", "-1")


async def test_topics_that_exist_get_another_retention(
    kafka: RunningKafka, namespace: str, admin: AIOKafkaAdminClient
) -> None:
    topics, day_ms = Topics(namespace), 24 * 3600 * 1000
    await create_topics(kafka.address, topics, [], partitions=1)
    report = await create_topics(kafka.address, topics, [], partitions=1, days=30)
    assert sorted(report.altered) == sorted(
        [topics.case, topics.submission, topics.republication, topics.command, topics.sent]
        + [topics.audit(name) for name in SHARED]
    )
    ordinary, compacted = await config_of(admin, topics.submission), await config_of(admin, topics.case)
    assert ordinary["retention.ms"] == str(30 * day_ms)
    assert (compacted["retention.ms"], compacted["delete.retention.ms"]) == ("-1", str(30 * day_ms))


async def test_a_topic_that_the_brokers_list_does_not_show_yet_is_configured_and_compared_too(
    kafka: RunningKafka, namespace: str, admin: AIOKafkaAdminClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def empty(_: AIOKafkaAdminClient) -> list[str]:
        return []

    topics = Topics(namespace)
    await admin.create_topics([NewTopic(topics.case, 1, 1, topic_configs={"cleanup.policy": "delete"})])
    monkeypatch.setattr(AIOKafkaAdminClient, "list_topics", empty)
    report = await create_topics(kafka.address, topics, [], partitions=1)
    assert report.altered == [topics.case]
    assert topics.case not in report.created
    with pytest.raises(TopicMismatch, match="a new count is a new topic"):
        await create_topics(kafka.address, topics, [], partitions=2)


async def test_another_number_of_partitions_is_refused_and_nothing_is_made(
    kafka: RunningKafka, namespace: str, admin: AIOKafkaAdminClient
) -> None:
    topics = Topics(namespace)
    await admin.create_topics([NewTopic(topics.case, 3, 1)])
    deadline = time.monotonic() + 20
    while topics.case not in await admin.list_topics():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)
    with pytest.raises(TopicMismatch, match="a new count is a new topic"):
        await create_topics(kafka.address, topics, DEPARTMENTS, partitions=2)
    assert [name for name in await admin.list_topics() if name.startswith(f"{namespace}.")] == [topics.case]


def run(arguments: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "services.kit.provisioning", *arguments]
    return subprocess.run(
        command,
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )


def test_the_command_makes_the_topics_and_says_so(kafka: RunningKafka, namespace: str) -> None:
    environment = {**kafka.address.variables(), "LIXIAO_NAMESPACE": namespace}
    first = run(["topics"], **environment)
    assert first.returncode == 0, first.stderr
    assert f"created: {namespace}.library.status.v1" in first.stdout.splitlines()
    second = run(["topics"], **environment)
    assert second.stdout.splitlines()[-1].startswith("0 created, 0 altered, ")


def test_the_command_names_a_missing_variable() -> None:
    done = run(["topics"])
    assert (done.returncode, done.stderr) == (2, "LIXIAO_KAFKA is not set\n")


def test_the_command_says_in_one_line_that_there_is_no_broker(unused_tcp_port: int) -> None:
    done = run(["topics"], LIXIAO_KAFKA=f"127.0.0.1:{unused_tcp_port}")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("topics: ")
    assert "Traceback" not in done.stderr


@pytest.fixture
async def installation(postgres: Running) -> AsyncIterator[str]:
    """A namespace whose databases and roles are dropped after the test."""
    name = f"t{secrets.token_hex(3)}"
    yield name
    connection = await asyncpg.connect(postgres.address)
    for row in await connection.fetch("select datname from pg_database where datname like $1", f"{name}\\_%"):
        await connection.execute(f'drop database "{row["datname"]}" with (force)')
    for row in await connection.fetch("select rolname from pg_roles where rolname like $1", f"{name}\\_%"):
        await connection.execute(f'drop role "{row["rolname"]}"')
    await connection.close()


def into(dsn: str, database: str) -> str:
    """The same role, another database."""
    return urlunsplit(urlsplit(dsn)._replace(path=f"/{database}"))


async def value(dsn: str, sql: str) -> object:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


async def test_each_service_gets_a_database_of_its_own_that_no_other_enters(
    postgres: Running, installation: str, tmp_path: Path
) -> None:
    path = tmp_path / "made" / "secrets.json"
    done = await create_databases(postgres.address, DEPARTMENTS, path, namespace=installation)
    assert done.secrets.keys() == {*DEPARTMENTS, *SHARED}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert json.loads(path.read_text()) == done.secrets
    library = done.secrets["library"]["LIXIAO_DATABASE"]
    assert await value(library, "select current_user || ' ' || current_database()") == (
        f"{installation}_library {installation}_library"
    )
    await value(done.secrets["library"]["LIXIAO_MIGRATION_DATABASE"], "create table book (id int)")
    await value(library, "insert into book values (1)")
    for other in (f"{installation}_dorm_office", f"{installation}_clearance"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await value(into(library, other), "select 1")
    may = "select rolsuper or rolcreatedb or rolcreaterole from pg_roles where rolname = current_user"
    assert await value(library, may) is False


async def test_the_gateway_reads_of_the_clearance_only_what_the_reader_is_granted(
    postgres: Running, installation: str, tmp_path: Path
) -> None:
    done = await create_databases(postgres.address, DEPARTMENTS, tmp_path / "s.json", namespace=installation)
    clearance = done.secrets["clearance"]["LIXIAO_MIGRATION_DATABASE"]
    connection = await asyncpg.connect(clearance)
    await connection.execute(
        "create schema published; create table hidden as select 1 as n; "
        "create view published.case_v1 as select n from hidden; "
        f"grant usage on schema published to {READER}; grant select on published.case_v1 to {READER}"
    )
    await connection.close()
    reader = done.secrets["gateway"]["LIXIAO_READ_MODEL"]
    assert await value(reader, "select n from published.case_v1") == 1
    for sql in ("select n from hidden", "create table x (id int)", "insert into published.case_v1 values (2)"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await value(reader, sql)


async def test_a_second_run_keeps_databases_and_passwords(postgres: Running, installation: str, tmp_path: Path) -> None:
    path = tmp_path / "s.json"
    first = await create_databases(postgres.address, DEPARTMENTS, path, namespace=installation)
    second = await create_databases(postgres.address, DEPARTMENTS, path, namespace=installation)
    assert (second.created, second.unchanged) == ([], first.created)
    assert second.secrets == first.secrets
    assert await value(first.secrets["library"]["LIXIAO_DATABASE"], "select 1") == 1


async def test_a_lost_file_of_secrets_is_mended_by_the_next_run(
    postgres: Running, installation: str, tmp_path: Path
) -> None:
    path = tmp_path / "s.json"
    first = await create_databases(postgres.address, DEPARTMENTS, path, namespace=installation)
    path.unlink()
    second = await create_databases(postgres.address, DEPARTMENTS, path, namespace=installation)
    assert await value(second.secrets["library"]["LIXIAO_DATABASE"], "select 1") == 1
    with pytest.raises(asyncpg.InvalidPasswordError):
        await value(first.secrets["library"]["LIXIAO_DATABASE"], "select 1")


async def test_runs_at_the_same_time_agree_on_the_databases(
    postgres: Running, installation: str, tmp_path: Path
) -> None:
    path = tmp_path / "s.json"
    await create_databases(postgres.address, ["library"], path, namespace=installation)
    done = await asyncio.gather(
        *(create_databases(postgres.address, DEPARTMENTS, path, namespace=installation) for _ in range(3))
    )
    assert sorted(name for each in done for name in each.created) == [f"{installation}_dorm_office"]
    written = json.loads(path.read_text())["dorm-office"]["LIXIAO_DATABASE"]
    assert await value(written, "select 1") == 1


def test_the_verifiers_keys_sign_the_example_of_rfc_7677() -> None:
    nonces = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
    salt = "W22ZaJ0SNY7soEsUEjb6gQ=="
    exchange = f"n=user,r=rOprNGfwEbeRWgbNEkqO,r={nonces},s={salt},i=4096,c=biws,r={nonces}"
    keys = scram_verifier("pencil", salt=base64.b64decode(salt)).rpartition("$")[2]
    signature = hmac.digest(base64.b64decode(keys.split(":")[1]), exchange.encode(), "sha256")
    assert base64.b64encode(signature).decode() == "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="


async def test_the_command_writes_what_services_are_started_with(
    postgres: Running, installation: str, tmp_path: Path
) -> None:
    path = tmp_path / "s.json"
    environment = {"LIXIAO_POSTGRES": postgres.address, "LIXIAO_NAMESPACE": installation}
    done = await asyncio.to_thread(lambda: run(["databases", "--secrets", str(path)], **environment))
    assert done.returncode == 0, done.stderr
    assert f"created: {installation}_clearance" in done.stdout.splitlines()
    password = json.loads(path.read_text())["library"]["LIXIAO_DATABASE"].split(":")[2].split("@")[0]
    assert password not in done.stdout + done.stderr
