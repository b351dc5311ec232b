"""Which URLs the sign-in may use.

Sources: MCP security best practices, "SSRF" and "URL validation"; RFC 8252 section 7.3; RFC 9728 section 7.7.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from ...errors import SignInError
from ...foreign_text import foreign
from .addresses import Nearness, is_loopback, literal_address, nearness

_DEFAULT_PORTS = {"http": 80, "https": 443}
_URL = re.compile(r"[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]+")  # RFC 3986
_HOST = re.compile(r"[a-z0-9_.-]+")


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


@dataclass(frozen=True)
class BrowserAddress:
    """A foreign URL that a browser opens: `url` is what is shown, whole, and what is opened.

    Attributes:
        url: ASCII only; a host in other letters is in punycode, the rest percent-encoded.
        host: the host of `url`, with a port that is not the default one.
        unicode_host: the host as browsers may show it, if that differs from `host`; else empty.
    """

    url: str
    host: str
    unicode_host: str


def browser_address(url: str) -> BrowserAddress | None:
    """The address of `url`; None unless it is an https URL (http only on this machine) that every browser reads in
    the same way: a browser takes a backslash for a slash, so such characters are not allowed."""
    import httpx2

    try:
        parsed = httpx2.URL(url)
        ascii_url, host = str(parsed), parsed.raw_host.decode("ascii")
    except (httpx2.InvalidURL, ValueError):
        return None
    if not (is_secure(ascii_url) and _URL.fullmatch(ascii_url) and (_HOST.fullmatch(host) or literal_address(host))):
        return None
    shown = f"[{host}]" if ":" in host else host
    shown = shown if parsed.port is None else f"{shown}:{parsed.port}"
    return BrowserAddress(ascii_url, shown, _unicode_host(host))


def _unicode_host(host: str) -> str:
    if "xn--" not in host:
        return ""
    try:
        return host.encode("ascii").decode("idna")
    except UnicodeError:
        return "(unreadable)"


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


def is_within(url: str, resource: str) -> bool:
    """Whether `url` is the protected resource or a path below it. Another path of the same origin can be another
    server's. A path with dot segments is never within, because servers resolve them in different ways."""
    try:
        one, other = urlsplit(url), urlsplit(resource)
        if origin(url) != origin(resource) or other.query not in ("", one.query):
            return False
    except ValueError:
        return False
    plain = re.sub("%2f|%5c|\\\\", "/", one.path.lower()).replace("%2e", ".")
    base = other.path.rstrip("/")
    dots = not {".", ".."}.isdisjoint(plain.split("/"))
    return not dots and (one.path.rstrip("/") == base or one.path.startswith(f"{base}/"))


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
