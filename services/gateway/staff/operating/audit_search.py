"""One search over the audits of all services, newest first, page by page."""

import asyncio
import heapq
import re
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final, Protocol

from services.gateway.staff.desk.desk_client import DeskRefused, DeskUnavailable
from services.kit.http.operators.audit_routes import AuditPage, AuditQuery, SealedEntry
from services.kit.messaging.audit_heads.api import ChainAnswer
from services.kit.postgres.pool import transient

PAGE: Final = 50
MAX_EXPORTED: Final = 20_000
_EXPORT_PAGE: Final = 500
_CURSOR: Final = re.compile(r"([a-z][a-z0-9-]{0,40}):([1-9][0-9]{0,17})")
Cursors = Mapping[str, int]
"""By service the entry before which its next page begins; a service that is not there has no more."""


class Audited(Protocol):
    """Methods raise `DeskUnavailable`, `DeskRefused` or transient database errors."""

    @property
    def name(self) -> str: ...

    async def audit(self, person: str, query: AuditQuery) -> AuditPage: ...

    async def chain(self, person: str) -> ChainAnswer: ...


@dataclass(frozen=True, slots=True)
class FoundIn:
    service: str
    entry: SealedEntry


@dataclass(frozen=True, slots=True)
class AuditFound:
    """`away`: services that did not answer, whose entries are missing. `following`: empty on the last page."""

    found: tuple[FoundIn, ...]
    away: tuple[str, ...]
    following: Cursors


async def found_in(
    services: Collection[Audited], person: str, query: AuditQuery, cursors: Cursors | None = None, *, limit: int = PAGE
) -> AuditFound:
    """`cursors`: of the page before; None on the first."""
    asked = [one for one in services if cursors is None or one.name in cursors]
    pages = await asyncio.gather(
        *(_page(one, person, _from(query, (cursors or {}).get(one.name), limit)) for one in asked)
    )
    answered = {one.name: page for one, page in zip(asked, pages, strict=True) if page is not None}
    away = tuple(one.name for one, page in zip(asked, pages, strict=True) if page is None)
    return merged(answered, away, cursors or {}, limit)


def merged(pages: Mapping[str, AuditPage], away: tuple[str, ...], cursors: Cursors, limit: int) -> AuditFound:
    """The newest `limit` of the pages.

    A service's entries stay in their order, that of its cursor: of two that are written at once, the later instant may
    be the earlier entry's.
    """
    lists = [[FoundIn(service, entry) for entry in page.entries] for service, page in pages.items()]
    every = heapq.merge(*lists, key=lambda one: (one.entry.at, one.service), reverse=True)
    newest = list(islice(every, limit))
    following: dict[str, int] = {}
    for service, page in pages.items():
        taken = [one.entry.entry_id for one in newest if one.service == service]
        if len(taken) < len(page.entries):
            # Before the entry that was taken last; of a service without one, where its page began.
            following[service] = min(taken) if taken else page.entries[0].entry_id + 1
        elif page.next_before is not None:
            following[service] = page.next_before
    return AuditFound(tuple(newest), away, following)


async def every_page(services: Collection[Audited], person: str, query: AuditQuery) -> AsyncIterator[AuditFound]:
    """Of at most `MAX_EXPORTED` entries. Each page is a search of its own in the audits."""
    cursors: Cursors | None = None
    count = 0
    while cursors is None or cursors:
        page = await found_in(services, person, query, cursors, limit=_EXPORT_PAGE)
        yield page
        count += len(page.found)
        cursors = page.following if count < MAX_EXPORTED else {}


async def chains_of(services: Sequence[Audited], person: str) -> tuple[tuple[str, ChainAnswer | None], ...]:
    """None of a service that did not answer in time."""
    found = await asyncio.gather(*(_chain(one, person) for one in services))
    return tuple((one.name, chain) for one, chain in zip(services, found, strict=True))


def cursors_of(text: str) -> Cursors:
    """As `written` writes them; what is none is left out."""
    return {service: int(before) for service, before in _CURSOR.findall(text)}


def written(cursors: Cursors) -> str:
    return " ".join(f"{service}:{before}" for service, before in cursors.items())


def _from(query: AuditQuery, before: int | None, limit: int) -> AuditQuery:
    return query.model_copy(update={"before": before, "limit": limit})


async def _page(service: Audited, person: str, query: AuditQuery) -> AuditPage | None:
    try:
        return await service.audit(person, query)
    except Exception as error:
        if not _away(error):
            raise
        return None


async def _chain(service: Audited, person: str) -> ChainAnswer | None:
    try:
        return await service.chain(person)
    except Exception as error:
        if not _away(error):
            raise
        return None


def _away(error: Exception) -> bool:
    return isinstance(error, DeskUnavailable | DeskRefused) or transient(error)
