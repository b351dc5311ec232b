"""Which URLs the sign-in may use.

Sources: MCP security best practices, "SSRF" and "URL validation"; RFC 8252 section 7.3; RFC 9728 section 7.7.
"""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit

from ...errors import SignInError, foreign
from .addresses import Nearness, is_loopback, literal_address, nearness

_DEFAULT_PORTS = {"http": 80, "https": 443}


def is_secure(url: str) -> bool:
    """Whether `url` is https, or http on this machine, with a host and without user information."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    if not host or parts.username is not None or parts.password is not None or not url.isprintable() or " " in url:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))


def require_safe(url: str, what: str, named_by: str, *, private_network: bool = False) -> str:
    """Return `url`, which another party named, if it may be fetched or opened.

    Args:
        what: what the URL is, for the message.
        named_by: the URL of the party that named it. This party may not name an address that is nearer to this machine
            than its own. (Only literal addresses are checked here; `NetworkGuard` checks host names.)
        private_network: whether every party may name private addresses.

    Raises:
        SignInError: the URL is not https (nor http on loopback), or its address is too near.
    """
    if not is_secure(url):
        raise SignInError(f"The {what} is {foreign(url)!r}: it must be an https URL (http only on localhost).")
    allowed = max(_nearness(urlsplit(named_by).hostname), Nearness.PRIVATE if private_network else Nearness.PUBLIC)
    if _nearness(urlsplit(url).hostname) > allowed:
        raise SignInError(f"The {what} is {foreign(url)!r}: a public server must not point at a private address.")
    return url


def same_url(one: str, other: str) -> bool:
    """Whether two URLs are the same after RFC 3986 section 6.2.2 and 6.2.3: case of scheme and host, default port,
    empty path. Nothing else is normalised. URLs with a fragment are never the same."""
    try:
        return "#" not in one + other and _comparable(urlsplit(one)) == _comparable(urlsplit(other))
    except ValueError:
        return False


def origin(url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port."""
    parts = urlsplit(url)
    return parts.scheme, (parts.hostname or "").lower(), parts.port or _DEFAULT_PORTS.get(parts.scheme)


def _comparable(parts: SplitResult) -> tuple[object, ...]:
    port = parts.port or _DEFAULT_PORTS.get(parts.scheme)
    return parts.scheme, parts.username, parts.password, parts.hostname, port, parts.path or "/", parts.query


def _nearness(host: str | None) -> Nearness:
    """How near a host is. Host names that need a resolver count as public."""
    address = literal_address(host or "")
    return nearness(address) if address else Nearness.PUBLIC
