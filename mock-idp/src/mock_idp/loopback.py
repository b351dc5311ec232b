from __future__ import annotations

from ipaddress import ip_address


def is_loopback_name(host: str) -> bool:
    """Whether a host name or address is this machine, as `localhost` or by number."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
