"""What an open page costs while nothing happens: thousands are open."""

import asyncio
import gc
from types import FunctionType, MethodType, ModuleType
from typing import Any

from services.gateway.case.progress import CaseProgress
from services.gateway.case.view_model import CasePage
from services.gateway.i18n.catalogue import Texts
from services.gateway.read_model.types import StudentSnapshot
from services.gateway.tables.sessions.session import Session
from tests.support.waiting import eventually
from tests.unit.gateway.case.test_live import SESSION, Reads, Rows, hub_over, opened

_SHARED = (type, ModuleType, FunctionType, MethodType, Texts)
_NOT_KEPT = (CasePage, CaseProgress, StudentSnapshot, Rows, Session, asyncio.Future, asyncio.Event)
_MOST_BYTES = 500
"""A number, a hash, and not a page."""


def reachable(*roots: Any) -> list[Any]:
    found: dict[int, Any] = {}
    left = list(roots)
    while left:
        one = left.pop()
        if id(one) not in found and not isinstance(one, _SHARED):
            found[id(one)] = one
            left += gc.get_referents(one)
    return list(found.values())


async def test_a_stream_that_waits_has_no_page_no_session_and_no_task() -> None:
    reads = Reads()
    reads.let_go.set()
    async with hub_over(reads, SESSION.id_hash) as hub:
        await asyncio.sleep(0)
        tasks = asyncio.all_tasks()
        async with opened(hub) as page:
            await page.next()
            await eventually(lambda: page.stream.idle, what="the page to be sent")
            await eventually(lambda: len(asyncio.all_tasks()) <= len(tasks) + 1, what="the end of the read")
            kept = reachable(page.stream, hub._of_student, hub._of_session, hub._due, hub._push_spans)
    assert page.stream in kept
    assert [one for one in kept if isinstance(one, _NOT_KEPT)] == []
    assert sum(len(one) for one in kept if isinstance(one, bytes | str)) < _MOST_BYTES


async def test_a_stream_that_has_gone_leaves_nothing_behind() -> None:
    reads = Reads()
    reads.let_go.set()
    async with hub_over(reads, SESSION.id_hash) as hub:
        empty = len(reachable(hub._of_student, hub._of_session, hub._unconfirmed, hub._due))
        async with opened(hub) as page, opened(hub) as other:
            await page.next()
            await other.next()
            assert hub.count == 2
        assert hub.count == 0
        assert len(reachable(hub._of_student, hub._of_session, hub._unconfirmed, hub._due)) <= empty
