"""A cut or recomputed audit is found by default: its heads are in Kafka, where no owner of a database edits them."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from typer.testing import CliRunner, Result

from deploy.local.servers.kafka import RunningKafka
from schemas.codec import read
from schemas.events import AuditSealed
from schemas.flows import source_of
from schemas.topics import Topics
from services.kit.audit.chain import ChainSealer, Head
from services.kit.audit.commands import audit_commands, own_database
from services.kit.audit.heads import KeptHead
from services.kit.audit.log import append_entry
from services.kit.department.migration_folders import DEPARTMENT_FOLDERS
from services.kit.kafka.connection import KafkaConnection
from services.kit.messaging.audit_heads.anchor import AuditAnchor, publish
from services.kit.messaging.audit_heads.cli import add_chain_commands
from services.kit.messaging.outbox import Wakeup
from services.kit.messaging.relaying.relay import Relay
from services.kit.postgres.migrations import migrate
from services.kit.postgres.pool import open_pool
from services.kit.provisioning.topics import create_topics
from services.kit.signing.keys import PrivateKey, TrustedKeys, create_key
from services.kit.signing.records import RecordSigner, RecordVerifier
from tests.support.kafka.outbox import running
from tests.support.kafka.topics import everything
from tests.support.waiting import eventually

CUT = (
    "ALTER TABLE audit.entry DISABLE TRIGGER ALL; ALTER TABLE audit.seal DISABLE TRIGGER ALL;"
    "DELETE FROM audit.seal WHERE seq > 2; DELETE FROM audit.entry WHERE entry_id > 2"
)
RECOMPUTED = (
    "ALTER TABLE audit.entry DISABLE TRIGGER ALL; ALTER TABLE audit.seal DISABLE TRIGGER ALL;"
    "UPDATE audit.entry SET actor = 'nobody'; DELETE FROM audit.seal;"
    "INSERT INTO audit.unsealed SELECT entry_id FROM audit.entry"
)


@dataclass
class Library:
    """The library's audit, its topic and its keys."""

    pool: "asyncpg.Pool[Any]"
    dsn: str
    kafka: KafkaConnection
    topics: Topics
    folder: Path

    @property
    def topic(self) -> str:
        return self.topics.audit("library")

    def anchor(self) -> AuditAnchor:
        """Of a service that has just started."""
        verify = RecordVerifier(TrustedKeys(self.folder / "trusted"), {self.topic: "library"})
        return AuditAnchor(self.pool, "library", kafka=self.kafka, topic=self.topic, verify=verify)

    async def grow(self, entries: int) -> None:
        for _ in range(entries):
            async with self.pool.acquire() as connection, connection.transaction():
                await append_entry(connection, actor="a", act="b", outcome="c")
        await ChainSealer(self.pool).seal()

    async def send(self, *, signed: bool = True) -> None:
        """What the outbox has."""
        signer = RecordSigner(PrivateKey(self.folder / "library.pem"), self.topics.signed) if signed else None
        async with running(Relay(self.dsn, kafka=self.kafka, name="test", wakeup=Wakeup(), signer=signer)):

            async def sent() -> bool:
                return not await self.pool.fetchval("SELECT count(*) FROM outbox")

            await eventually(sent, what="an empty outbox")

    async def command(self, *arguments: str, **variables: str) -> Result:
        environment = {
            "LIXIAO_DATABASE": self.dsn,
            **self.kafka.variables(),
            "LIXIAO_NAMESPACE": self.topics.namespace,
            "LIXIAO_TRUSTED_KEYS": str(self.folder / "trusted"),
            **variables,
        }
        commands = audit_commands(own_database)
        add_chain_commands(commands, "library")
        return await asyncio.to_thread(lambda: CliRunner().invoke(commands, arguments, env=environment))


@pytest.fixture
async def library(database: str, namespace: str, kafka: RunningKafka, tmp_path: Path) -> AsyncIterator[Library]:
    """With four entries whose head is in the topic."""
    topics = Topics(namespace)
    await create_topics(kafka.address, topics, ["library"], partitions=1)
    await migrate(database, DEPARTMENT_FOLDERS)
    create_key(tmp_path / "library.pem", tmp_path / "trusted", "library")
    async with await open_pool(database, name="audit") as pool:
        made = Library(pool, database, kafka.address, topics, tmp_path)
        await made.grow(4)
        await made.anchor().once()
        await made.send()
        yield made


async def test_a_cut_end_is_found_by_the_service_and_by_the_command_until_an_operator_accepts_it(
    library: Library,
) -> None:
    sound = await library.command("verify")
    assert (sound.exit_code, sound.stdout.splitlines()[1]) == (0, "compared with 1 heads kept elsewhere"), sound.stderr
    await library.pool.execute(CUT)
    # What is written afterwards takes the numbers of what was removed.
    await library.grow(1)
    anchor = library.anchor()
    await anchor.once()
    assert "the audit ends at seal 3, and seal 4 was published" in (await anchor.warning() or "")
    cut = await library.command("verify")
    assert cut.exit_code == 1
    assert "the chain ends at 3, before the head 4 kept elsewhere" in cut.stderr
    accepted = await library.command("accept", "--why", "restored last night's backup")
    assert accepted.exit_code == 0, accepted.stderr
    await library.send()
    await anchor.once()
    assert await anchor.warning() is None
    after = await library.command("verify")
    assert (after.exit_code, after.stdout.splitlines()[0]) == (
        0,
        "accepted by an operator: the chain as it ended at seal 3",
    )
    assert await library.pool.fetchval("SELECT details FROM audit.entry WHERE act = 'audit.accept'") == (
        '{"seal":3,"why":"restored last night\'s backup"}'
    )


async def test_what_is_missed_is_missed_until_an_operator_accepts_it_however_much_the_audit_grows(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.kit.messaging.audit_heads.anchor._NEWEST", 2)
    await library.pool.execute(CUT)
    for _ in range(3):
        await library.grow(2)
        await library.anchor().once()
        await library.send()
    anchor = library.anchor()
    await anchor.once()
    assert "seal 4 of the audit is not the one that was published" in (await anchor.warning() or "")
    assert (await library.command("accept", "--why", "restored last night's backup")).exit_code == 0
    await library.send()
    await anchor.once()
    assert await anchor.warning() is None
    await library.grow(1)
    await anchor.once()
    assert await library.pool.fetchval("SELECT count(*) FROM outbox") == 1


async def test_an_audit_made_anew_is_found(library: Library) -> None:
    await library.pool.execute(RECOMPUTED)
    await ChainSealer(library.pool).seal()
    anchor = library.anchor()
    await anchor.once()
    assert "seal 4 of the audit is not the one that was published" in (await anchor.warning() or "")
    assert "seal 4 is not the one of a head kept elsewhere" in (await library.command("verify")).stderr


async def test_a_running_service_finds_it_without_reading_its_topic_again(library: Library) -> None:
    anchor = library.anchor()
    await library.grow(1)
    await anchor.once()
    assert await anchor.warning() is None
    await library.pool.execute(CUT)
    await anchor.once()
    assert "the audit ends at seal 2, and seal 5 was published" in (await anchor.warning() or "")


async def test_a_head_is_published_once_and_again_when_the_audit_has_grown(library: Library) -> None:
    anchor = library.anchor()
    await anchor.once()
    assert await library.pool.fetchval("SELECT count(*) FROM outbox") == 0
    await library.grow(2)
    await anchor.once()
    await anchor.once()
    await library.send()
    heads = [read(record.value, record.headers) for record in await everything(library.kafka, library.topic)]
    assert [head.seq for head in heads if isinstance(head, AuditSealed)] == [4, 6]


async def test_heads_that_the_service_did_not_sign_do_not_count(library: Library) -> None:
    async with library.pool.acquire() as connection, connection.transaction():
        await publish(connection, "library", library.topic, KeptHead(Head(9, bytes(32))))
        await publish(connection, "library", library.topic, KeptHead(Head(1, bytes(32)), accepted=True))
    await library.send(signed=False)
    anchor = library.anchor()
    await anchor.once()
    assert await anchor.warning() is None
    done = await library.command("verify")
    assert (done.exit_code, done.stdout.splitlines()[1]) == (0, "compared with 1 heads kept elsewhere")
    assert "2 records of the topic are not this service's" in done.stderr


async def test_without_its_topic_nothing_waits_in_the_outbox_and_readiness_says_so(
    database: str, kafka: RunningKafka, tmp_path: Path
) -> None:
    await migrate(database, DEPARTMENT_FOLDERS)
    (tmp_path / "trusted").mkdir()
    async with await open_pool(database, name="audit") as pool:
        unprovisioned = Library(pool, database, kafka.address, Topics("t-none"), tmp_path)
        await unprovisioned.grow(1)
        anchor = unprovisioned.anchor()
        await anchor.once()
        assert "provision the topics again" in (await anchor.warning() or "")
        assert await pool.fetchval("SELECT count(*) FROM outbox") == 0
        assert (await unprovisioned.command("verify")).exit_code == 2


async def test_a_file_of_heads_finds_a_cut_end_without_kafka(library: Library, tmp_path: Path) -> None:
    file = str(tmp_path / "heads")
    by_file = ("verify", "--without-kafka")
    assert (await library.command(*by_file, LIXIAO_AUDIT_HEADS=file)).exit_code == 0
    assert (await library.command(*by_file, "--heads", file)).stdout.splitlines()[1] == (
        "compared with 1 heads kept elsewhere"
    )
    await library.pool.execute(CUT)
    cut = await library.command(*by_file, LIXIAO_AUDIT_HEADS=file)
    assert (cut.exit_code, cut.stderr.splitlines()[0]) == (1, "the chain ends at 2, before the head 4 kept elsewhere")


async def test_a_file_of_heads_that_cannot_be_written_is_no_finding(library: Library, tmp_path: Path) -> None:
    file = str(tmp_path / "missing" / "heads")
    done = await library.command("verify", "--heads", file)
    assert (done.exit_code, done.stderr.splitlines()[-1]) == (
        2,
        f"audit: the head is not added to {file}: No such file or directory",
    )


async def test_no_other_name_than_the_services_is_in_a_head(library: Library) -> None:
    (record,) = await everything(library.kafka, library.topic)
    assert (record.key, record.value.count(b"library"), b"TS" in record.value) == (b"library", 2, False)
    assert source_of("library").encode() in record.value
