"""An operator looks at keys and tokens, and searches the audits of all services: what is secret stays where it is."""

import csv
import io
import json
from datetime import timedelta

import asyncpg
import pytest

from deploy.local.installation import new_student_id
from schemas.flows import CLEARANCE
from services.kit.audit.chain import ChainSealer
from services.kit.audit.log import append_entry
from services.kit.http.access.auth import token_sha256
from services.kit.names import desk_role
from services.kit.tokens import store
from tests.component.gateway.routes.operating.conftest import Operated
from tests.support.gateway.server import BrowserClient

TRACE = "https://traces.example/trace/"


async def test_keys_and_tokens_are_shown_without_what_is_secret_and_a_key_that_is_not_believed_is_named(
    browser: BrowserClient, csrf: str, library: str
) -> None:
    connection = await asyncpg.connect(library)
    async with connection.transaction():
        token = await store.make(connection, "fang.shi", [desk_role("library")], life=timedelta(days=9), by="程以恒")
        await store.make(connection, "old.system", [desk_role("library")], life=timedelta(days=9), by="程以恒")
        await store.revoke(connection, "old.system", by="程以恒")
    await connection.close()
    page = (await browser.get("/operator/keys")).text
    for words in (
        "fang.shi",
        "desk:library",
        "old.system",
        "已撤销",
        "来自凭据文件",
        "从未",
        "正在签名",
        "不认可它的服务：",
    ):
        assert words in page
    assert token not in page
    assert token_sha256(token) not in page
    assert "PRIVATE" not in page


async def test_one_search_finds_what_was_done_about_a_student_everywhere_and_is_itself_in_each_audit(
    browser: BrowserClient, csrf: str, installed: Operated
) -> None:
    student_id = new_student_id()
    places = {"library": installed.library, CLEARANCE: installed.gateway.read_model}
    for number, dsn in enumerate(places.values()):
        connection = await asyncpg.connect(dsn)
        await append_entry(
            connection,
            actor="方石",
            act=f"desk.act-{number}",
            outcome="changed",
            student_id=student_id,
            details={"version": 4, "trace": "4bf92f3577b34da6a3ce929d0e0e4736"},
        )
        await connection.close()
    answer = await browser.post("/operator/audit", {"csrf": csrf, "student": student_id.lower()})
    assert answer.status_code == 200
    assert answer.text.index("desk.act-1") < answer.text.index("desk.act-0")
    assert f"{TRACE}4bf92f3577b34da6a3ce929d0e0e4736" in answer.text
    assert "以下服务没有响应" in answer.text
    narrowed = await browser.post("/operator/audit", {"csrf": csrf, "student": student_id, "act": "desk.act-0"})
    assert ("desk.act-0" in narrowed.text, "desk.act-1" in narrowed.text) == (True, False)
    for dsn in (*places.values(), installed.gateway.database):
        connection = await asyncpg.connect(dsn)
        rows = await connection.fetch(
            "SELECT actor, details FROM audit.entry WHERE act = 'audit.search' AND student_id = $1", student_id
        )
        await connection.close()
        assert rows
        assert all("operates" in row["actor"] for row in rows)
        assert student_id not in "".join(row["details"] for row in rows)


async def test_what_was_found_goes_on_page_after_page_and_into_a_file(
    browser: BrowserClient, csrf: str, library: str
) -> None:
    student_id, act = new_student_id(), "desk.many"
    connection = await asyncpg.connect(library)
    for number in range(60):
        await append_entry(
            connection, actor="=SUM(1)", act=act, outcome="changed", student_id=student_id, details={"version": number}
        )
    await connection.close()
    search = {"csrf": csrf, "student": student_id, "act": act, "service": "library"}
    first = await browser.post("/operator/audit", search)
    assert first.text.count('<strong class="long">desk.many') == 50
    following = first.text.split('name="page" value="')[1].split('"')[0]
    second = await browser.post("/operator/audit", {**search, "page": following})
    assert second.text.count('<strong class="long">desk.many') == 10
    assert 'name="page"' not in second.text
    file = await browser.post("/operator/audit/export", search)
    assert file.headers["content-disposition"].startswith('attachment; filename="audit-')
    rows = list(csv.reader(io.StringIO(file.content.decode("utf-8-sig"))))
    assert len(rows) == 61
    assert rows[1][5] != "=SUM(1)"
    assert json.loads(rows[1][6].split(";")[0].removeprefix("version=")) == 59


async def test_a_file_says_which_services_did_not_answer(browser: BrowserClient, csrf: str) -> None:
    file = await browser.post("/operator/audit/export", {"csrf": csrf, "act": "nothing.like-it"})
    (_, *rows) = csv.reader(io.StringIO(file.content.decode("utf-8-sig")))
    assert [len(row) for row in rows] == [8]
    assert "以下服务没有响应" in rows[0][6]
    whole = await browser.post("/operator/audit/export", {"csrf": csrf, "act": "nothing.like-it", "service": "library"})
    assert "没有响应" not in whole.text


async def test_the_whole_chain_is_verified_and_an_entry_that_was_changed_is_named(
    browser: BrowserClient, csrf: str, library: str
) -> None:
    student_id = new_student_id()
    async with asyncpg.create_pool(library, min_size=1, max_size=2) as pool, pool.acquire() as connection:
        entry = await append_entry(
            connection, actor="方石", act="desk.sealed", outcome="changed", student_id=student_id
        )
        while await ChainSealer(pool).seal():
            pass
        whole = (await browser.post("/operator/audit/verify", {"csrf": csrf})).text
        assert "全部相符" in whole
        assert "不相符" not in whole
        assert "没有读到消息系统中保存的封印" in whole
        async with connection.transaction():
            await connection.execute("SET LOCAL session_replication_role = replica")
            await connection.execute("UPDATE audit.entry SET actor = '别人' WHERE entry_id = $1", entry)
        changed = (await browser.post("/operator/audit/verify", {"csrf": csrf})).text
        assert f"entry {entry} or the seal was changed" in changed
        found = await browser.post("/operator/audit", {"csrf": csrf, "student": student_id, "act": "desk.sealed"})
        assert "与记录不符" in found.text
        async with connection.transaction():
            await connection.execute("SET LOCAL session_replication_role = replica")
            await connection.execute("UPDATE audit.entry SET actor = '方石' WHERE entry_id = $1", entry)


@pytest.mark.parametrize(
    ("field", "value"), [("student", "不是学号"), ("since", "gestern"), ("actor", "\u202e")], ids=str
)
async def test_what_is_filled_in_wrongly_is_named_and_nothing_is_searched(
    browser: BrowserClient, csrf: str, field: str, value: str
) -> None:
    answer = await browser.post("/operator/audit", {"csrf": csrf, field: value})
    assert (answer.status_code, "填写有误" in answer.text) == (422, True)
    refused = await browser.post("/operator/audit", {"csrf": "wrong", "act": "desk"})
    assert refused.status_code == 403
