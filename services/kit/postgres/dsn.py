"""Which PostgreSQL addresses are safe to send a password and students' data to."""

import os
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

VERIFIED: Final = ("verify-ca", "verify-full")
"""Modes in which the server has to show a certificate of a known authority."""


def unprotected_hosts(dsn: str, environ: Mapping[str, str] = os.environ) -> list[str]:
    """Hosts of `dsn` beyond this machine, if the server's certificate is not verified; as asyncpg would connect."""
    query = parse_qs(urlsplit(dsn).query)
    mode = query.get("sslmode", [environ.get("PGSSLMODE", "prefer")])[-1]
    if mode in VERIFIED:
        return []
    if "service" in query:
        # Its file may name any host.
        return [f"service {query['service'][-1]}"]
    return [host for host in _hosts(dsn, query, environ) if not _is_local(host)]


def _hosts(dsn: str, query: Mapping[str, list[str]], environ: Mapping[str, str]) -> list[str]:
    named = unquote(urlsplit(dsn).netloc.rpartition("@")[2])
    found = [_without_port(each) for each in named.split(",")]
    if not any(found):
        found = query.get("host", [environ.get("PGHOST", "")])[-1].split(",")
    return [host for host in found if host]


def _without_port(text: str) -> str:
    if text.startswith("["):
        return text[1:].partition("]")[0]
    # A socket's folder may have a colon.
    return text if text.startswith("/") else text.partition(":")[0]


def _is_local(host: str) -> bool:
    if host.startswith(("/", "@")) or host.rstrip(".").lower() == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
