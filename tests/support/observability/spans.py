"""Traces as the collector kept them."""

from collections.abc import Iterable
from typing import Any

from deploy.local.http_clients import local_client

Span = dict[str, Any]
LOOKBACK_MS = 3_600_000


async def trace(zipkin: str, trace_id: str) -> list[Span]:
    """Every span of a trace; none while the collector does not have it."""
    async with local_client() as client:
        answer = await client.get(f"{zipkin}/api/v2/trace/{trace_id}", timeout=20)
    return [] if answer.status_code == 404 else answer.json()


async def found_by(zipkin: str, **tags: str) -> set[str]:
    """The traces of which one span has all these tags, as the search of Zipkin's page finds them. `_` is a dot."""
    query = " and ".join(f"{name.replace('_', '.')}={value}" for name, value in tags.items())
    async with local_client() as client:
        asked: dict[str, str | int] = {"annotationQuery": query, "limit": 100, "lookback": LOOKBACK_MS}
        answer = await client.get(f"{zipkin}/api/v2/traces", params=asked, timeout=20)
    assert answer.status_code == 200, answer.text
    return {trace[0]["traceId"] for trace in answer.json()}


async def raw(zipkin: str, service: str, most: int = 1000) -> str:
    """Every newer trace of a service as the collector hands it out."""
    async with local_client() as client:
        asked: dict[str, str | int] = {"serviceName": service, "limit": most, "lookback": LOOKBACK_MS}
        answer = await client.get(f"{zipkin}/api/v2/traces", params=asked, timeout=60)
    assert answer.status_code == 200, answer.text
    return answer.text


def service_of(span: Span) -> str:
    name: str = span["localEndpoint"]["serviceName"]
    return name


def ancestors(spans: Iterable[Span], span: Span) -> list[Span]:
    """The span's parents up to the root, nearest first."""
    known = {one["id"]: one for one in spans}
    found: list[Span] = []
    while (parent := known.get(span.get("parentId", ""))) is not None:
        found.append(parent)
        span = parent
    return found
