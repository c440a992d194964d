"""A proxy's document: kept as a keyed hash, compared afterwards, in clear nowhere."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from deploy.local.identity.people import Person
from schemas.codec import read
from schemas.events import CertificateIssueAsked, DocumentSeal, TakenBy
from services.clearance.migration_folders import CLEARANCE_FOLDERS
from services.kit.postgres.migrations import migrate
from services.kit.signing.session_proofs import check_proof
from tests.component.gateway.routes.desk.clerks import CLERKS, audited, checked
from tests.support.gateway.read_model import ReadModelWriter, SignedForm, carrying
from tests.support.gateway.server import BrowserClient, RunningGateway, running_gateway
from tests.support.gateway.visits import rows
from tests.support.servers.fixtures import DatabaseMaker

NUMBER, TYPED, ANOTHER = "11010519491231002X", "110105 19491231 002x", "E12345678"
FIRST, SECOND = f"first {'1' * 64}", f"second {'2' * 64}"
_people = iter(CLERKS)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("keys") / "document.keys"
    file.write_text(FIRST)
    return file


@pytest.fixture(scope="module")
async def gateway(make_database: DatabaseMaker, keys: Path) -> AsyncIterator[RunningGateway]:
    database, read_model = await make_database("gateway"), await make_database("clearance")
    await migrate(read_model, CLEARANCE_FOLDERS)
    with running_gateway(database, read_model, CLERKS, proxy_document_keys=keys) as running:
        yield running


@pytest.fixture
def clerk(keys: Path) -> Person:
    keys.write_text(FIRST)
    return next(_people)


@pytest.fixture
async def form(
    gateway: RunningGateway, clearance: ReadModelWriter, browser: BrowserClient, clerk: Person, signed: SignedForm
) -> AsyncIterator[dict[str, str]]:
    """The hidden fields of a genuine form that can be handed over."""
    async with carrying(gateway, clearance):
        yield await checked(browser, clerk, signed.qr_text)


def by_proxy(form: dict[str, str], document: str) -> dict[str, str]:
    return {**form, "taken_by": "proxy", "proxy_name": "司马䶮", "document": document}


async def everything(dsn: str) -> str:
    """Every row of every table."""
    connection = await asyncpg.connect(dsn)
    try:
        tables = await connection.fetch(
            "SELECT format('%I.%I', table_schema, table_name) AS name FROM information_schema.tables"
            " WHERE table_type = 'BASE TABLE' AND table_schema IN ('public', 'audit')"
        )
        found = [await connection.fetch(f"SELECT t::text AS row FROM {table['name']} AS t") for table in tables]
        values = await connection.fetch("SELECT convert_from(value, 'UTF8') AS row FROM outbox WHERE value IS NOT NULL")
    finally:
        await connection.close()
    return "\n".join(row["row"] for some in (*found, values) for row in some)


@pytest.mark.acceptance("K-001")
async def test_a_proxys_document_is_kept_as_a_hash_and_compared_with_what_is_typed_afterwards(
    gateway: RunningGateway, browser: BrowserClient, clerk: Person, signed: SignedForm, form: dict[str, str]
) -> None:
    done = await browser.post("/desk/issue", by_proxy(form, TYPED))
    assert "代领人：司马䶮" in done.text
    assert "核对代领人证件" in done.text
    token = {"csrf": form["csrf"], "form_number": signed.form_number}
    for typed, words, status in (
        (NUMBER, "一致：代领人出示的就是这个号码的证件", 200),
        (ANOTHER, "不一致：代领人出示的不是这个号码的证件", 200),
        ("nonsense!", "这不是证件号码", 409),
    ):
        answer = await browser.post("/desk/document", {**token, "document": typed})
        assert (answer.status_code, words in answer.text) == (status, True)
        assert typed not in answer.text
    acts = [(act, outcome) for act, outcome, *_ in await audited(gateway, clerk)]
    assert acts[-3:] == [("certificate.compare-document", one) for one in ("same", "different", "no-number")]
    kept = "SELECT document_key, length(document_hash) AS length FROM issue WHERE student_id = $1"
    assert [tuple(row) for row in await rows(gateway.read_model, kept, signed.student_id)] == [("first", 64)]
    for dsn in (gateway.database, gateway.read_model):
        text = await everything(dsn)
        assert signed.form_number in text
        assert NUMBER not in text
        assert TYPED not in text


@pytest.mark.acceptance("K-001")
async def test_a_proxy_without_a_document_or_with_a_slip_in_its_number_is_not_handed_anything(
    browser: BrowserClient, form: dict[str, str]
) -> None:
    for document, words in (
        ("", "请填写代领人证件号码"),
        ("身份证", "请填写代领人证件号码"),
        ("110105194912310021", "身份证号码有误"),
    ):
        refused = await browser.post("/desk/issue", by_proxy(form, document))
        assert (refused.status_code, words in refused.text) == (422, True)
        assert 'value="司马䶮"' in refused.text
    himself = await browser.post("/desk/issue", {**form, "taken_by": "self", "document": "nonsense"})
    assert "本人领取" in himself.text
    assert "核对代领人证件" not in himself.text


async def test_keys_rotate_and_a_document_is_compared_by_the_key_it_was_kept_with(
    browser: BrowserClient, keys: Path, signed: SignedForm, form: dict[str, str]
) -> None:
    await browser.post("/desk/issue", by_proxy(form, NUMBER))
    token = {"csrf": form["csrf"], "form_number": signed.form_number, "document": NUMBER}
    keys.write_text(f"{SECOND}\n{FIRST}\n")
    assert "一致：代领人" in (await browser.post("/desk/document", token)).text
    keys.write_text(SECOND)
    gone = await browser.post("/desk/document", token)
    assert (gone.status_code, "登记时的密钥已不在" in gone.text) == (409, True)


async def test_without_a_readable_key_nothing_is_handed_to_a_proxy(
    browser: BrowserClient, keys: Path, form: dict[str, str]
) -> None:
    keys.write_text("nonsense")
    refused = await browser.post("/desk/issue", by_proxy(form, NUMBER))
    assert refused.status_code == 503
    keys.write_text(FIRST)
    assert "代领人：司马䶮" in (await browser.post("/desk/issue", by_proxy(form, NUMBER))).text


async def test_a_pending_hand_over_is_looked_at_again_without_typing_the_number_again(
    gateway: RunningGateway,
    clearance: ReadModelWriter,
    browser: BrowserClient,
    clerk: Person,
    signed: SignedForm,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("services.gateway.certificates.issue.WAIT_S", 0.1)
    pending = await browser.post("/desk/issue", by_proxy(await checked(browser, clerk, signed.qr_text), NUMBER))
    assert pending.status_code == 202
    hidden = fields_of_issue(pending.text)
    assert "document" not in hidden
    assert len(hidden["sealed_hash"]) == 64
    (row,) = await rows(gateway.database, "SELECT value FROM outbox WHERE topic LIKE '%.command.v1'")
    asked = read(row["value"])
    assert isinstance(asked, CertificateIssueAsked)
    assert asked.proxy_document == DocumentSeal(key=hidden["sealed_key"], hash=hidden["sealed_hash"])
    assert NUMBER.encode() not in bytes(row["value"])
    check_proof(asked, required=True)
    async with carrying(gateway, clearance):
        done = await browser.post("/desk/issue", {**hidden})
        if done.status_code == 202:
            monkeypatch.setattr("services.gateway.certificates.issue.WAIT_S", 20.0)
            done = await browser.post("/desk/issue", {**hidden})
    assert "代领人：司马䶮" in done.text
    token = {"csrf": hidden["csrf"], "form_number": signed.form_number, "document": NUMBER}
    assert "一致：代领人" in (await browser.post("/desk/document", token)).text


async def test_a_seal_that_was_not_made_for_the_hand_over_stands_for_no_document(
    gateway: RunningGateway, browser: BrowserClient, form: dict[str, str]
) -> None:
    sent = {**by_proxy(form, ""), "sealed_key": "first", "sealed_hash": "0" * 64}
    for forged in (sent, {**sent, "sealed_proof": "0" * 64}, {**sent, "sealed_key": "second"}):
        refused = await browser.post("/desk/issue", forged)
        assert (refused.status_code, "请填写代领人证件号码" in refused.text) == (422, True)


async def test_the_answer_to_a_comparison_reads_codes_with_the_camera_as_the_desk_does(
    browser: BrowserClient, form: dict[str, str], signed: SignedForm
) -> None:
    sent = {"csrf": form["csrf"], "form_number": signed.form_number, "document": NUMBER}
    answer = await browser.post("/desk/document", sent)
    assert 'id="camera"' in answer.text
    assert "camera=(self)" in answer.headers["permissions-policy"]


async def test_a_hand_over_from_before_documents_were_kept_has_none_to_compare_with(
    gateway: RunningGateway, clearance: ReadModelWriter, browser: BrowserClient, clerk: Person, signed: SignedForm
) -> None:
    before = CertificateIssueAsked(
        command_id=uuid4(),
        student_id=signed.student_id,
        form_number=signed.form_number,
        asked_by="clerk",
        taken_by=TakenBy.PROXY,
        proxy_name="司马䶮",
        asked_at=datetime.now(UTC),
    )
    await clearance.receive_issue(before)
    token = await checked(browser, clerk, signed.qr_text)
    answer = await browser.post("/desk/document", {**token, "form_number": signed.form_number, "document": NUMBER})
    assert (answer.status_code, "没有登记代领人证件" in answer.text) == (409, True)


def fields_of_issue(page: str) -> dict[str, str]:
    form = page[page.index('action="/desk/issue"') :]
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', form[: form.index("</form>")]))
