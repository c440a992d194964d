"""What may happen to an installation, and how it comes back: each event breaks a part that a runbook is for."""

import asyncio
import re
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from aiokafka.admin import AIOKafkaAdminClient

from deploy.local.servers.postgres import drop_database
from deploy.local.services import ROOT
from schemas.flows import CLEARANCE, GATEWAY
from tests.drill.stage import CHANGING, Stage
from tests.support.kafka.topics import everything
from tests.support.waiting import eventually

DUMP: Final = 'pg_dump --format=custom --file="$SERVICE.dump" "$DATABASE"'
RESTORE: Final = 'pg_restore --clean --if-exists --single-transaction --dbname="$DATABASE" "$SERVICE.dump"'
ACCEPT_AUDIT: Final = 'python -m "services.$SERVICE" audit accept --why restored'
DATABASES: Final = "python -m services.kit.provisioning databases --secrets databases.json"
MIGRATE: Final = "python -m services.gateway migrate"
TOPICS: Final = "python -m services.kit.provisioning topics"
KAFKA_USERS: Final = "python -m services.kit.provisioning kafka-users --passwords kafka-passwords"
ACLS: Final = "python -m services.kit.provisioning acls"
ROTATE: Final = "python -m services.clearance keys rotate"
REVOKE: Final = 'python -m services.clearance keys revoke "$KID"'
SIGN_AGAIN: Final = 'python -m services.clearance keys sign-again "$KID"'
LIST_KEYS: Final = "python -m services.clearance keys list"
VERIFY: Final = 'python -m services.clearance verify --text "$FORM"'
REPUBLISH: Final = "python -m services.library republish --why restored"
REPUBLISH_CASES: Final = "python -m services.clearance republish --why restored"
REBUILD: Final = "python -m services.clearance rebuild --check"
PARTS: Final = ("schemas", "services", "config", "deploy")
NEW_FIELD: Final = '    later: str = "of the next version"\n'

Step = Callable[[Stage], Awaitable[None]]


async def nothing(_: Stage) -> None:
    pass


@dataclass(frozen=True)
class Signal:
    """How it is noticed: a log event of a service, a failed readiness, or a warning in it."""

    service: str
    log: str = ""
    warning: str = ""

    def __str__(self) -> str:
        if self.log:
            return f"`{self.log}` in the log of {self.service}"
        if self.warning:
            return f"warning `{self.warning}` in the readiness of {self.service}"
        return f"readiness of {self.service}"

    async def seen(self, stage: Stage, lines_before: int) -> bool:
        if self.log:
            return stage.log_lines(self.service, self.log) > lines_before
        report = await stage.ready(self.service)
        return self.warning in report.get("warnings", {}) if self.warning else report.get("status") != "ok"

    def lines(self, stage: Stage) -> int:
        return stage.log_lines(self.service, self.log) if self.log else 0


@dataclass(frozen=True)
class Event:
    """`prepare` runs before it, under the load; `heal` after it was noticed; `prove` once all agrees.

    `commands`: lines of the runbook that it runs.
    """

    name: str
    breaks: str
    destroy: Step
    prepare: Step = nothing
    signal: Signal | None = None
    heal: Step = nothing
    prove: Step = nothing
    healed_by: str = "by itself"
    commands: tuple[str, ...] = ()


def _stop(stage: Stage, service: str) -> None:
    if service in stage.installation.processes:
        stage.installation.stop(service)


async def _dump(stage: Stage, service: str) -> None:
    await stage.run(service, DUMP)
    await asyncio.sleep(2)  # Changes that the backup does not have.


async def _restore(stage: Stage, service: str) -> None:
    await asyncio.to_thread(_stop, stage, service)
    await stage.run(service, RESTORE)
    await stage.installation.start(service)
    assert "accepted" in await stage.run(service, ACCEPT_AUDIT)


async def _dump_clearance(stage: Stage) -> None:
    """A form is accepted that the backup does not have."""
    await _dump(stage, CLEARANCE)
    await stage.submit()


async def _republish(stage: Stage) -> None:
    assert "published again" in await stage.run(CHANGING, REPUBLISH)


async def _rebuilt_is_equal(stage: Stage) -> None:
    assert " 0 differing" in await stage.run(CLEARANCE, REBUILD)


async def _delete_topic(stage: Stage) -> None:
    topic = stage.installation.topics.status(CHANGING)
    admin = AIOKafkaAdminClient(**stage.installation.kafka.options())
    await admin.start()
    try:
        await admin.delete_topics([topic])

        async def gone() -> bool:
            return topic not in await admin.list_topics()

        await eventually(gone, what="the topic to be gone")
    finally:
        await admin.close()
    await _provision_topics(stage)


async def _provision_topics(stage: Stage) -> None:
    await stage.run(CLEARANCE, TOPICS)


async def _lose_kafka(stage: Stage) -> None:
    await asyncio.to_thread(stage.broker.kill)
    shutil.rmtree(stage.broker.folder / "data")
    await asyncio.to_thread(lambda: stage.broker.start().wait_ready())
    await _provision_topics(stage)
    await stage.run(CLEARANCE, KAFKA_USERS)
    await stage.run(CLEARANCE, ACLS)


async def _republish_cases(stage: Stage) -> None:
    assert "published again" in await stage.run(CLEARANCE, REPUBLISH_CASES)


async def _drop_gateway(stage: Stage) -> None:
    await drop_database(stage.postgres, stage.installation.database_name(GATEWAY))


async def _make_gateway(stage: Stage) -> None:
    await stage.run(GATEWAY, DATABASES, LIXIAO_NAMESPACE=stage.installation.namespace)
    await stage.run(GATEWAY, MIGRATE)
    await stage.restart(GATEWAY)


async def signing_kid(stage: Stage) -> str:
    listed = await stage.run(CLEARANCE, LIST_KEYS)
    return next(line.split()[0] for line in listed.splitlines() if line.split()[3] == "signs")


async def _lose_key(stage: Stage) -> None:
    (_keys(stage) / f"{await signing_kid(stage)}.jwk").unlink()


def _keys(stage: Stage) -> Path:
    return Path((stage.installation.process(CLEARANCE).env or {})["LIXIAO_KEYS"])


async def _rotate(stage: Stage) -> None:
    await stage.run(CLEARANCE, ROTATE)


async def _forms_verify(stage: Stage) -> None:
    """Those of before, and one that is accepted now."""
    await stage.submit()
    for receipt in await receipts(stage):
        assert "genuine" in await stage.run(CLEARANCE, VERIFY, FORM=receipt)


async def receipts(stage: Stage) -> list[str]:
    rows = await (await stage.installation.database(CLEARANCE)).fetch("SELECT receipt FROM published.submission_v1")
    return [row["receipt"] for row in rows]


async def _replace_leaked(stage: Stage) -> None:
    leaked = await signing_kid(stage)
    await _rotate(stage)
    await stage.run(CLEARANCE, REVOKE, KID=leaked)
    said = await stage.run(CLEARANCE, SIGN_AGAIN, KID=leaked)
    assert re.search(r"^[1-9]\d* forms signed again", said, re.MULTILINE), said
    forms = await stage.installation.database(CLEARANCE)
    assert not await forms.fetchval("SELECT count(*) FROM published.submission_v1 WHERE kid = $1", leaked)


async def _update_side_by_side(stage: Stage) -> None:
    """A department and the clearance of the next version beside this one, then alone."""
    installation, this = stage.installation, stage.installation.root
    later = await asyncio.to_thread(next_version, installation.folder / "next")
    for service in (CHANGING, CLEARANCE):
        installation.root = later
        try:
            await installation.start(f"{service}:2")
        finally:
            installation.root = this
        await asyncio.sleep(2)
        await asyncio.to_thread(_stop, stage, service)
        if service == CHANGING:
            await eventually(partial(_publishes_later_statuses, stage), what="statuses of the next version", poll_s=1)
        await asyncio.sleep(2)


async def _publishes_later_statuses(stage: Stage) -> bool:
    """Which this clearance reads."""
    statuses = await everything(stage.installation.kafka, stage.installation.topics.status(CHANGING))
    return any(b'"later"' in (record.value or b"") for record in statuses)


async def _back(stage: Stage) -> None:
    for service in (CHANGING, CLEARANCE):
        await asyncio.to_thread(_stop, stage, f"{service}:2")
    await stage.installation.start(CHANGING, CLEARANCE)


def next_version(root: Path) -> Path:
    """This tree with a field more in each status and a column more in each department's database."""
    for part in PARTS:
        shutil.copytree(ROOT / part, root / part, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
    shutil.copy(ROOT / "pyproject.toml", root)
    events = root / "schemas" / "events.py"
    text = events.read_text("utf-8")
    start = text.index("class StatusChanged(")
    field = re.search(r"^    checks: .*\n", text[start:], re.MULTILINE)
    assert field is not None
    at = start + field.end()
    events.write_text(text[:at] + NEW_FIELD + text[at:], "utf-8")
    migration = root / "services" / "kit" / "migrations" / "desk" / "0999_next.sql"
    migration.write_text("ALTER TABLE record ADD COLUMN later text;\n", "utf-8")
    return root


EVENTS: Final = (
    Event(
        "department restored",
        "the library's database comes from a backup of two seconds ago",
        partial(_restore, service=CHANGING),
        prepare=partial(_dump, service=CHANGING),
        signal=Signal(CHANGING, log="version_floor.raised"),
        prove=_rebuilt_is_equal,
        commands=(DUMP, RESTORE, ACCEPT_AUDIT, REBUILD),
    ),
    Event(
        "clearance restored",
        "the clearance's database comes from a backup of two seconds ago",
        partial(_restore, service=CLEARANCE),
        prepare=_dump_clearance,
        signal=Signal(CLEARANCE, log="acceptance.restored"),
        prove=_rebuilt_is_equal,
        commands=(DUMP, RESTORE, ACCEPT_AUDIT, REBUILD),
    ),
    Event(
        "topic lost",
        "the library's status topic is deleted and made anew",
        _delete_topic,
        signal=Signal(CLEARANCE, log="log.changed"),
        prove=_republish,
        commands=(TOPICS, REPUBLISH),
    ),
    Event(
        "Kafka lost",
        "the broker starts with an empty disk",
        _lose_kafka,
        signal=Signal(CLEARANCE, log="log.changed"),
        heal=_republish_cases,
        healed_by=f"departments by themselves, cases and forms by `{REPUBLISH_CASES}`",
        commands=(TOPICS, KAFKA_USERS, ACLS, REPUBLISH_CASES),
    ),
    Event(
        "gateway database lost",
        "the gateway's database is dropped",
        _drop_gateway,
        signal=Signal(GATEWAY),
        heal=_make_gateway,
        healed_by=f"`{DATABASES}`, `{MIGRATE}`, restart of the gateway",
        commands=(DATABASES, MIGRATE),
    ),
    Event(
        "signing key lost",
        "the file of the key that signs is deleted",
        _lose_key,
        signal=Signal(CLEARANCE, warning="signing key"),
        heal=_rotate,
        prove=_forms_verify,
        healed_by=f"`{ROTATE}`",
        commands=(LIST_KEYS, ROTATE, VERIFY),
    ),
    Event(
        "signing key leaked",
        "nothing: a person learns of it",
        nothing,
        heal=_replace_leaked,
        prove=_forms_verify,
        healed_by="`keys rotate`, `keys revoke`, `keys sign-again`",
        commands=(LIST_KEYS, ROTATE, REVOKE, SIGN_AGAIN, VERIFY),
    ),
    Event(
        "two versions",
        "library and clearance of the next version start beside these, which then stop",
        _update_side_by_side,
        prove=_back,
    ),
)
