"""Whose proxies are believed, and what a limit by client address counts as one."""

from collections.abc import Iterable
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final

_IPV6_PREFIX: Final = 64
"""One subscriber has as many addresses as they like below it."""


class TrustedProxies:
    """Addresses or networks, separated by commas. Raises `ValueError` for anything else."""

    def __init__(self, listed: str = "") -> None:
        self._networks = [ip_network(each) for each in split(listed)]

    def trusts(self, host: str) -> bool:
        try:
            address = ip_address(host)
        except ValueError:
            return False
        return any(address in network for network in self._networks)


def split(listed: str) -> list[str]:
    return [each for each in map(str.strip, listed.split(",")) if each]


def limited_address(host: str) -> str:
    """An IPv6 address as its /64."""
    if ":" not in host:
        return host
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(ip_network((int(address), _IPV6_PREFIX), strict=False))


def host_matches(given: str, allowed: Iterable[str]) -> bool:
    """`given` is a Host header: its port does not count."""
    name = given.rpartition("]")[0] + "]" if given.startswith("[") else given.partition(":")[0]
    return name.lower() in allowed
