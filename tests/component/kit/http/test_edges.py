"""Attacks on a service's own port: heads too large, slow and idle connections, too many of them, foreign hosts."""

import asyncio
import os
import socket
import ssl
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import StreamingResponse
from structlog.testing import capture_logs

from services.kit.http.app import create_app
from services.kit.http.client_address import limited_address
from services.kit.http.serving import connections
from services.kit.runtime.health import Health
from tests.component.kit.http.application import problem_of
from tests.support.servers.live_server import live_server, live_servers
from tests.support.waiting import eventually

MIB = 1024 * 1024
LAST = b"GET /whoami HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


def routes() -> APIRouter:
    router = APIRouter()

    @router.get("/whoami")
    async def whoami(request: Request) -> dict[str, str]:
        return {"address": request.client.host if request.client else "", "scheme": request.url.scheme}

    @router.post("/form")
    async def form(request: Request) -> int:
        return len(await request.body())

    @router.get("/endless")
    async def endless() -> StreamingResponse:
        async def parts() -> AsyncIterator[bytes]:
            while True:
                yield b"x" * MIB
                await asyncio.sleep(0)

        return StreamingResponse(parts())

    return router


@contextmanager
def service(*, allowed_hosts: str = "", **settings: Any) -> Iterator[tuple[str, int]]:
    with live_server(lambda _: app(allowed_hosts), **settings) as address:
        yield target_of(address)


def app(allowed_hosts: str = "") -> FastAPI:
    return create_app(
        title="Library",
        version="1",
        description="",
        health=Health(),
        lifespan=None,
        routers=[routes()],
        telemetry=None,
        allowed_hosts=allowed_hosts,
    )


def target_of(address: str) -> tuple[str, int]:
    return "127.0.0.1", int(address.rpartition(":")[2])


def answer_to(target: tuple[str, int], *parts: bytes) -> bytes:
    """Everything the server sends until it closes the connection; it may do so before all is sent."""
    with socket.create_connection(target, timeout=15) as connection:
        try:
            for part in parts:
                connection.sendall(part)
        except OSError:
            pass
        return read(connection)


def read(connection: socket.socket) -> bytes:
    received = b""
    try:
        while more := connection.recv(65536):
            received += more
    except ConnectionResetError:
        pass
    return received


def is_closed(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        while connection.recv(65536):
            pass
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def test_a_header_of_40_mb_is_refused_and_not_collected() -> None:
    with service() as target:
        before = psutil.Process().memory_info().rss
        answer = answer_to(target, b"GET /whoami HTTP/1.1\r\nHost: a\r\nX: ", *[b"x" * MIB] * 40, b"\r\n\r\n")
        assert answer[:12] in (b"HTTP/1.1 431", b"")
        assert psutil.Process().memory_info().rss - before < 20 * MIB


@pytest.mark.parametrize(
    "head",
    [
        b"GET /whoami HTTP/1.1\r\nHost: a\r\n" + b"".join(b"X-%d: 1\r\n" % n for n in range(200)) + b"\r\n",
        b"GET /whoami HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 40_000 + b"\r\n\r\n",
        b"GET /whoami?" + b"q" * 40_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    ],
    ids=["too many headers", "one too long", "a long query"],
)
def test_a_large_head_is_refused_even_in_one_piece(head: bytes) -> None:
    with service() as target:
        assert answer_to(target, head).startswith(b"HTTP/1.1 431 ")


def test_what_a_browser_sends_is_taken() -> None:
    cookies = "; ".join(f"__Host-sign-in-{n}={'x' * 200}" for n in range(6))
    with service() as (host, port):
        answer = httpx.get(f"http://{host}:{port}/whoami", headers={"Cookie": cookies, "User-Agent": "x" * 400})
        assert answer.status_code == 200


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET /whoami HTTP/1.1\r\nHost: a\r\nX: half",
        b"POST /form HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf",
        b"GET /whoami HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /whoami HTTP/1.1\r\nHost: a\r\n\r\nGET /who",
    ],
    ids=["silent", "half a head", "half a body", "idle after an answer", "half of a second request"],
)
async def test_300_connections_that_do_not_go_on_are_closed(monkeypatch: pytest.MonkeyPatch, sent: bytes) -> None:
    for name in ("HEAD_S", "BODY_S"):
        monkeypatch.setattr(connections, name, 1.5)
    with service() as target, ExitStack() as opened:
        held = [opened.enter_context(socket.create_connection(target, timeout=15)) for _ in range(300)]
        for connection in held:
            connection.sendall(sent)
        await eventually(lambda: all(map(is_closed, held)), what="the end of all connections", timeout_s=30)
        assert answer_to(target, LAST).startswith(b"HTTP/1.1 200")


async def test_a_client_that_reads_nothing_of_its_answer_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "WRITE_S", 1.0)
    with service(max_connections=2) as target, socket.create_connection(target, timeout=15) as reads_nothing:
        reads_nothing.sendall(b"GET /endless HTTP/1.1\r\nHost: a\r\n\r\n")
        with socket.create_connection(target, timeout=15) as other:
            other.sendall(b"GET /endless HTTP/1.1\r\nHost: a\r\n\r\n")
            await eventually(lambda: answer_to(target, LAST).startswith(b"HTTP/1.1 200"), what="a free connection")


async def test_a_connection_fed_with_empty_lines_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEAD_S", 1.0)
    with service() as target, socket.create_connection(target, timeout=15) as connection:
        connection.sendall(b"GET /whoami HTTP/1.1\r\nHost: a\r\n\r\n")

        def fed() -> bool:
            if is_closed(connection):
                return True
            try:
                connection.sendall(b"\r\n")
            except OSError:
                return True
            return False

        await eventually(fed, what="the end of the connection", timeout_s=15)


async def test_a_body_that_goes_on_is_taken_however_long_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "BODY_S", 1.0)
    part, sent = b"x" * connections.BODY_BYTES_PER_S * 2, 0
    with service() as target, socket.create_connection(target, timeout=15) as connection:
        connection.sendall(b"POST /form HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n")
        late_s = time.monotonic() + 3 * connections.BODY_S

        def sent_until_late() -> bool:
            nonlocal sent
            connection.sendall(b"%x\r\n%s\r\n" % (len(part), part))
            sent += len(part)
            return time.monotonic() > late_s

        await eventually(sent_until_late, what="three times what a body is allowed at least", poll_s=0.4)
        connection.sendall(b"0\r\n\r\n")
        assert read(connection).endswith(b"%d" % sent)


@pytest.mark.parametrize("limit", ["max_connections", "max_connections_per_address"])
async def test_more_connections_than_the_limit_are_refused_until_others_end(limit: str) -> None:
    with service(**dict[str, Any]({limit: 5})) as target, ExitStack() as opened:
        held = [opened.enter_context(socket.create_connection(target, timeout=15)) for _ in range(5)]
        with socket.create_connection(target, timeout=15) as one_more:
            await eventually(lambda: is_closed(one_more), what="the refusal")
        assert not any(map(is_closed, held))
        held[0].close()

        def answered() -> bool:
            head = LAST
            return answer_to(target, head).startswith(b"HTTP/1.1 200")

        await eventually(answered, what="an answer")


def test_a_trusted_proxys_connections_count_only_altogether() -> None:
    with (
        service(max_connections_per_address=1, trusted_proxies="127.0.0.0/8") as target,
        socket.create_connection(target),
        socket.create_connection(target),
    ):
        assert answer_to(target, LAST).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    ("trusted", "forwarded", "address"),
    [
        ("", "203.0.113.7", "127.0.0.1"),
        ("192.0.2.1", "203.0.113.7", "127.0.0.1"),
        ("127.0.0.1", "203.0.113.7", "203.0.113.7"),
        ("127.0.0.1", "198.51.100.1, 203.0.113.7", "203.0.113.7"),
        ("127.0.0.1, 10.0.0.0/8", "198.51.100.1, 203.0.113.7, 10.1.2.3", "203.0.113.7"),
    ],
    ids=["no proxy", "another proxy", "a proxy", "a client that invents one", "two proxies"],
)
def test_the_clients_address_is_the_one_a_trusted_proxy_names(trusted: str, forwarded: str, address: str) -> None:
    headers = {"X-Forwarded-For": forwarded, "X-Forwarded-Proto": "https"}
    with service(trusted_proxies=trusted) as (host, port):
        answer = httpx.get(f"http://{host}:{port}/whoami", headers=headers).json()
    assert answer == {"address": address, "scheme": "http" if address == "127.0.0.1" else "https"}


def test_a_network_of_ipv6_counts_as_one_address() -> None:
    assert limited_address("2001:db8::1") == limited_address("2001:db8::ffff:2") != limited_address("2001:db8:0:1::1")
    assert limited_address("::ffff:203.0.113.7") == "203.0.113.7"


def test_no_redirect_is_built_from_a_host_header() -> None:
    with service() as (host, port):
        for path in ("/whoami/", "/health/live/"):
            answer = httpx.get(f"http://{host}:{port}{path}", headers={"Host": "evil.example"})
            assert answer.status_code == 404
            assert "location" not in answer.headers


@pytest.mark.parametrize("given", ["lixiao.example.edu", "LIXIAO.example.edu:443", "evil.example", "", "[::1]"])
def test_only_the_services_own_hosts_are_answered(given: str) -> None:
    with service(allowed_hosts="lixiao.example.edu, other.example.edu") as (host, port):
        answer = httpx.get(f"http://{host}:{port}/whoami", headers={"Host": given})
        assert (answer.status_code == 200) == ("lixiao" in given.lower())
        if answer.status_code != 200:
            problem_of(answer, 421)
        assert httpx.get(f"http://{host}:{port}/health/live", headers={"Host": given}).status_code == 200


def test_an_operators_port_is_a_listener_of_its_own_with_the_same_limits() -> None:
    with live_servers(lambda _: app(), operator_port=0) as (address, operator):
        assert httpx.get(f"{operator}/openapi.json").status_code == 200
        assert httpx.get(f"{address}/openapi.json").status_code == 404
        assert httpx.get(f"{operator}/health/ready").json() == {"status": "ok", "checks": {}}
        assert httpx.get(f"{operator}/whoami", headers={"X": "x" * 40_000}).status_code == 431


def certificate(folder: Path, name: str) -> None:
    """A pair that `name` signs itself, in place of the one before."""
    key = ec.generate_private_key(ec.SECP256R1())
    who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder(
        who, who, key.public_key(), x509.random_serial_number(), now, now + timedelta(days=1)
    )
    (folder / "key.pem").write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    )
    (folder / "certificate.pem").write_bytes(made.sign(key, SHA256()).public_bytes(Encoding.PEM))


def name_in_certificate(target: tuple[str, int]) -> str:
    presented = x509.load_pem_x509_certificate(ssl.get_server_certificate(target).encode())
    return str(presented.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)


async def test_a_service_serves_tls_and_takes_a_renewed_certificate_without_a_restart(tmp_path: Path) -> None:
    certificate(tmp_path, "first")
    pair: dict[str, Any] = {"tls_certificate": tmp_path / "certificate.pem", "tls_key": tmp_path / "key.pem"}
    with live_servers(lambda _: app(), operator_port=0, **pair) as addresses:
        target, operators = map(target_of, addresses)
        answer = httpx.get(f"https://127.0.0.1:{target[1]}/whoami", verify=False)
        assert answer.json()["scheme"] == "https"
        assert answer.headers["strict-transport-security"] == "max-age=31536000; includeSubDomains"
        assert (name_in_certificate(target), name_in_certificate(operators)) == ("first", "first")
        certificate(tmp_path, "second")
        await eventually(lambda: name_in_certificate(target) == "second", what="the renewed certificate")
        assert name_in_certificate(operators) == "second"


async def test_half_a_renewed_pair_leaves_the_one_before_and_the_other_half_is_taken_when_it_can_be_read(
    tmp_path: Path,
) -> None:
    certificate(tmp_path, "first")
    at, new = tmp_path / "key.pem", tmp_path / "new"
    new.mkdir()
    certificate(new, "second")
    pair: dict[str, Any] = {"tls_certificate": tmp_path / "certificate.pem", "tls_key": at}
    with live_servers(lambda _: app(), operator_port=0, **pair) as addresses, capture_logs() as logs:
        target = target_of(addresses[0])
        times = at.stat()
        (tmp_path / "certificate.pem").write_bytes((new / "certificate.pem").read_bytes())
        await eventually(lambda: any(log["event"] == "certificate.refused" for log in logs), what="half of it refused")
        assert name_in_certificate(target) == "first"
        at.write_bytes((new / "key.pem").read_bytes())
        # As a right to read that is given late leaves it.
        os.utime(at, ns=(times.st_atime_ns, times.st_mtime_ns))
        await eventually(lambda: name_in_certificate(target) == "second", what="the renewed certificate")
    assert [log["event"] for log in logs if log["event"].startswith("certificate.")] == [
        "certificate.refused",
        "certificate.reloaded",
    ]


@pytest.mark.parametrize(
    "headers",
    [
        b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
        b"Content-Length: 4\r\nContent-Length: 5\r\n",
        b"Transfer-Encoding: chunked, identity\r\n",
        b"Content-Length: 4\nX: a\r\n",
    ],
    ids=["length and chunks", "two lengths", "another last coding", "a bare line feed"],
)
def test_a_body_of_two_lengths_is_refused(headers: bytes) -> None:
    with service() as target:
        hidden = b"0\r\n\r\nGET /whoami HTTP/1.1\r\nHost: a\r\n\r\n"
        answer = answer_to(target, b"POST /form HTTP/1.1\r\nHost: a\r\n" + headers + b"\r\n" + hidden)
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert answer.count(b"HTTP/1.1 ") == 1


def test_a_request_is_not_echoed_to_its_sender() -> None:
    with service() as target:
        answer = answer_to(target, b"TRACE /whoami HTTP/1.1\r\nHost: a\r\nX: secret\r\nConnection: close\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 405 ")
        assert b"secret" not in answer


@pytest.mark.parametrize("package", connections.PINNED)
def test_the_installed_version_is_the_one_the_protocol_was_written_for(package: str) -> None:
    assert version(package) == connections.PINNED[package], (
        f"{package} has changed: read connections.py against its httptools_impl.py, run this file, then set PINNED"
    )
