"""Origins of web pages (RFC 6454), and the patterns in which Auth0 writes them."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

DEFAULT_PORTS = {"http": 80, "https": 443}


def origin_of(url: str) -> str | None:
    """The origin as a browser sends it, such as `http://localhost:3000`; None for a URL without a host.

    A wildcard in the host stays.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if not parts.scheme or not host:
        return None
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}" + ("" if port in (None, DEFAULT_PORTS.get(parts.scheme)) else f":{port}")


def matches(origin: str, pattern: str) -> bool:
    """Whether an origin is the pattern or has one label in place of its wildcard, as in `https://*.example.com`.

    Source: Auth0, Wildcards for Subdomains: one wildcard, in the first label of a host with at least three labels.
    """
    if "*" not in pattern:
        return origin == pattern
    scheme, _, host = pattern.partition("://")
    first, *others = host.split(".")
    if pattern.count("*") != 1 or "*" not in first or len(others) < 2:
        return False
    before, after = first.split("*")
    rest = ".".join(others)
    expected = f"{re.escape(f'{scheme}://{before}')}[a-z0-9-]+{re.escape(f'{after}.{rest}')}"
    return re.fullmatch(expected, origin) is not None
