"""Attacks on the public check: a crowd, a proxy, several instances, many addresses on one number, a stop watch."""

import asyncio
import statistics
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from deploy.local.http_clients import local_client
from deploy.local.installation import new_student_id
from services.gateway.tables.shared_limits import SharedLimit
from services.gateway.web import verification_limits
from services.gateway.web.verification_limits import ADDRESS, NUMBER
from tests.support.gateway.read_model import ReadModelWriter, SignedForm
from tests.support.gateway.server import RunningGateway, running_gateway
from tests.support.servers.fixtures import DatabaseMaker

UNKNOWN = {"form_number": "2026-22222-22222-Z", "code": "22222222"}


@pytest.fixture
async def proxied(make_database: DatabaseMaker, gateway: RunningGateway) -> tuple[str, str]:
    """The databases of a gateway of its own."""
    return await make_database("gateway"), gateway.read_model


@pytest.fixture
def instances(proxied: tuple[str, str]) -> Iterator[list[RunningGateway]]:
    """Two of them behind a proxy on this machine."""
    with (
        running_gateway(*proxied, (), trusted_proxies="127.0.0.1") as one,
        running_gateway(*proxied, (), trusted_proxies="127.0.0.1") as two,
    ):
        yield [one, two]


async def check(instance: RunningGateway, address: str, form: dict[str, str] = UNKNOWN) -> int:
    async with local_client(timeout=60) as client:
        answer = await client.post(f"{instance.address}/verify", data=form, headers={"X-Forwarded-For": address})
    return answer.status_code


async def test_addresses_behind_a_trusted_proxy_are_limited_each(instances: list[RunningGateway]) -> None:
    assert [await check(instances[0], f"203.0.113.{n}") for n in range(26)] == [200] * 26


async def test_a_crowd_within_each_ones_limit_is_answered(instances: list[RunningGateway]) -> None:
    def form(address: int, n: int) -> dict[str, str]:
        return {"form_number": f"{address}-{n}", "code": "x"}

    for address in range(12):
        of_address = (check(instances[0], f"203.0.113.{address}", form(address, n)) for n in range(20))
        assert set(await asyncio.gather(*of_address)) == {200}


async def test_one_address_has_one_limit_at_all_instances(instances: list[RunningGateway]) -> None:
    statuses = [await check(instances[n % 2], "203.0.113.1", {"form_number": f"{n}", "code": "x"}) for n in range(30)]
    assert ADDRESS.burst <= statuses.count(200) <= ADDRESS.burst + 2
    assert statuses[-1] == 429


async def test_a_network_of_ipv6_is_one_address(instances: list[RunningGateway]) -> None:
    statuses = [await check(instances[0], f"2001:db8::{n:x}", {"form_number": f"{n}", "code": "x"}) for n in range(30)]
    assert 429 in statuses


async def test_the_codes_of_one_number_cannot_be_tried_from_many_addresses(instances: list[RunningGateway]) -> None:
    asked = (check(instances[n % 2], f"203.0.{n // 200}.{n % 200}") for n in range(200))
    statuses = await asyncio.gather(*asked)
    assert NUMBER.burst <= statuses.count(200) <= NUMBER.burst + 60, "a burst, then one a second"
    assert statuses.count(429) > 100
    assert await check(instances[0], "203.0.113.200", {"form_number": "2026-33333-33333-3", "code": "x"}) == 200


async def test_a_number_that_exists_cannot_be_told_by_the_time_of_the_answer(
    proxied: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ADDRESS", "NUMBER"):
        monkeypatch.setattr(verification_limits, name, SharedLimit(name, 10_000.0, 10_000.0))
    signed: SignedForm = await ReadModelWriter(proxied[1]).accept_signed(new_student_id())
    forms = [{"form_number": signed.form_number, "code": "22222222"}, UNKNOWN]
    took: list[list[float]] = [[], []]
    with running_gateway(*proxied, ()) as own:
        async with local_client(own.address) as client:
            for number in range(30):
                started = time.perf_counter()
                assert (await client.post("/verify", data=forms[number % 2])).status_code == 200
                took[number % 2].append(time.perf_counter() - started)
    assert min(*took[0], *took[1]) >= 0.14
    assert abs(statistics.median(took[0]) - statistics.median(took[1])) < 0.02, took


async def test_where_to_report_a_fault_is_served_if_there_is_a_contact(
    gateway: RunningGateway, proxied: tuple[str, str]
) -> None:
    async with local_client() as client:
        assert (await client.get(f"{gateway.address}/.well-known/security.txt")).status_code == 404
        with running_gateway(*proxied, (), security_contact="mailto:security@example.edu") as own:
            answer = await client.get(f"{own.address}/.well-known/security.txt")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    fields = dict(line.split(": ", 1) for line in answer.text.splitlines())
    assert fields["Contact"] == "mailto:security@example.edu"
    assert datetime.now(UTC) < datetime.fromisoformat(fields["Expires"]) < datetime.now(UTC) + timedelta(days=365)
    assert fields["Canonical"] == f"{own.address}/.well-known/security.txt"
