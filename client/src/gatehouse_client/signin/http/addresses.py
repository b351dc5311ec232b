"""How near to this machine an address is, without a resolver."""

from __future__ import annotations

import ipaddress
from enum import IntEnum

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class Nearness(IntEnum):
    """How near to this machine an address is."""

    PUBLIC = 0
    PRIVATE = 1
    LOOPBACK = 2
    FORBIDDEN = 3
    """Link-local (clouds serve machine credentials there), multicast, reserved: no server may name these."""


def nearness(address: str) -> Nearness:
    """How near an address is. An IPv4 address inside an IPv6 address counts as the IPv4 address."""
    parsed = _unmapped(ipaddress.ip_address(address.partition("%")[0]))
    if parsed.is_loopback:
        return Nearness.LOOPBACK
    if parsed.is_link_local or parsed.is_multicast or parsed.is_unspecified or parsed.is_reserved:
        return Nearness.FORBIDDEN
    # Site-local addresses (fec0::/10, RFC 3879) are deprecated, and Python counts them as global.
    site_local = isinstance(parsed, ipaddress.IPv6Address) and parsed.is_site_local
    return Nearness.PUBLIC if parsed.is_global and not site_local else Nearness.PRIVATE


def _unmapped(address: Address) -> Address:
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped or address.sixtofour:
            return address.ipv4_mapped or address.sixtofour or address
        if address in _NAT64:
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def literal_address(host: str) -> str | None:
    """The address of `host` if no resolver is needed: an address, or `localhost`; else None."""
    name = host.lower().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return "127.0.0.1"
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        return None


def is_loopback(host: str | None) -> bool:
    """Whether `host` is this machine by its name or address."""
    address = literal_address(host or "")
    return address is not None and nearness(address) is Nearness.LOOPBACK
