"""With the broker's own credentials: no form is had, nothing handed over, without a service's signing key.

With the gateway's signing key too, what no session asked for is refused, or done and found.
"""

import asyncio
import json
from datetime import UTC, datetime
from uuid import UUID, uuid4

from typer.testing import CliRunner

from deploy.local.installation import Installation
from schemas.codec import encode
from schemas.events import CertificateIssueAsked, Message, SubmitAsked, TakenBy
from schemas.flows import CLEARANCE, GATEWAY, source_of
from services.kit.audit.__main__ import app as audit_app
from services.kit.audit.unasked import UNKNOWN
from services.kit.signing.keys import PrivateKey, create_key
from services.kit.signing.records import RecordSigner
from services.kit.signing.session_proofs import SessionKey
from tests.support.gateway.server import BrowserClient
from tests.support.kafka.topics import Producer, RawHeaders
from tests.support.waiting import eventually
from tests.system.test_submission import ready_to_submit, submit


async def sent(installation: Installation, student_id: str, event: Message, signed_by: str = "") -> bytes:
    """As the gateway writes it. Returns the record's value."""
    topic, key = installation.topics.command, student_id.encode()
    value = encode(event, event_id=uuid4(), source=source_of(GATEWAY), time=datetime.now(UTC))
    headers: RawHeaders = ()
    if signed_by:
        private = PrivateKey(installation.accounts.signing_key(signed_by))
        headers = RecordSigner(private, installation.topics.signed).headers(topic, key, value)
    async with Producer(installation.kafka) as producer:
        await producer.send(topic, key, value, headers)
    return value


async def written(
    installation: Installation, student_id: str, event: Message, signed_by: str = "", cause: str = "signature: "
) -> None:
    """As `sent`, until the clearance has set it aside."""
    value = await sent(installation, student_id, event, signed_by)
    clearance = await installation.database(CLEARANCE)

    async def set_aside() -> bool:
        reason = await clearance.fetchval("SELECT reason FROM dead_letter WHERE value = $1", value)
        assert reason is None or reason.startswith(cause)
        return reason is not None

    await eventually(set_aside, what="the forged record to be set aside")


async def accepted(installation: Installation, browser: BrowserClient, student_id: str) -> tuple[UUID, str]:
    clearance = await installation.database(CLEARANCE)
    await submit(browser)

    async def done() -> bool:
        return bool((await browser.get("/api/v1/submission")).json()["state"] == "done")

    await eventually(done, what="the submission to be accepted")
    row = await clearance.fetchrow("SELECT attempt_id, form_number FROM submission WHERE student_id = $1", student_id)
    assert row is not None
    return row["attempt_id"], row["form_number"]


async def test_a_command_in_the_gateways_name_does_nothing(installation: Installation) -> None:
    student_id, browser = await ready_to_submit(installation)
    clearance = await installation.database(CLEARANCE)
    for signed_by in ("", "library"):
        event = SubmitAsked(command_id=uuid4(), student_id=student_id, asked_at=datetime.now(UTC))
        await written(installation, student_id, event, signed_by)
    assert await clearance.fetchval("SELECT count(*) FROM attempt WHERE student_id = $1", student_id) == 0

    attempt_id, form_number = await accepted(installation, browser, student_id)
    for signed_by in ("", "finance"):
        hand_over = CertificateIssueAsked(
            command_id=uuid4(),
            student_id=student_id,
            form_number=form_number,
            asked_by="clerk",
            taken_by=TakenBy.SELF,
            asked_at=datetime.now(UTC),
        )
        await written(installation, student_id, hand_over, signed_by)
    assert await clearance.fetchval("SELECT count(*) FROM issue WHERE attempt_id = $1", attempt_id) == 0
    await browser.close()


async def unasked(installation: Installation) -> set[tuple[str, str]]:
    """Ids and what is wrong with them, as the auditor's command names them."""
    environment = {"LIXIAO_DATABASES": str(installation.folder / "databases.json")}
    done = await asyncio.to_thread(CliRunner().invoke, audit_app, ["unasked"], env=environment)
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert done.exit_code == bool(lines), done.output
    return {(line.get("command") or line["attempt"], line["problem"]) for line in lines}


async def test_with_the_gateways_signing_key_what_no_session_asked_for_is_refused_or_done_and_found(
    installation: Installation,
) -> None:
    honest, honest_browser = await ready_to_submit(installation)
    asked_for, _ = await accepted(installation, honest_browser, honest)
    student_id, browser = await ready_to_submit(installation)
    clearance = await installation.database(CLEARANCE)
    forged = SubmitAsked(command_id=uuid4(), student_id=student_id, asked_at=datetime.now(UTC))
    await written(installation, student_id, forged, GATEWAY, cause="session: the command shows no session")
    assert await clearance.fetchval("SELECT count(*) FROM attempt WHERE student_id = $1", student_id) == 0

    await sent(installation, student_id, SessionKey(b"a key of a thief's own, 32 bytes").prove(forged), GATEWAY)

    async def opened() -> bool:
        return bool(await clearance.fetchval("SELECT count(*) FROM attempt WHERE attempt_id = $1", forged.command_id))

    await eventually(opened, what="the forged submission to be acted upon")
    found = await unasked(installation)
    assert (str(forged.command_id), UNKNOWN) in found
    assert str(asked_for) not in {command for command, _ in found}
    await honest_browser.close()
    await browser.close()


async def test_a_services_key_is_rotated_while_it_runs(installation: Installation) -> None:
    accounts = installation.accounts
    old = set((accounts.trusted_keys / GATEWAY).glob("*.pem"))
    create_key(accounts.signing_key(GATEWAY), accounts.trusted_keys, GATEWAY)
    student_id, browser = await ready_to_submit(installation)
    await accepted(installation, browser, student_id)
    assert len(old) == 1
    await browser.close()
