"""Origins of web pages (RFC 6454), and the placeholders of Auth0 in URLs (Auth0: Subdomain URL Placeholders)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

DEFAULT_PORTS = {"http": 80, "https": 443}
ORGANIZATION_NAME = "{organization_name}"
_LABEL = "[A-Za-z0-9-]"
# The placeholder is in the first label of a host that has at least two more. There is no second placeholder.
_WITH_PLACEHOLDER = re.compile(
    rf"(?P<before>https?://{_LABEL}*)(?P<placeholder>\*|{re.escape(ORGANIZATION_NAME)})"
    rf"(?P<after>{_LABEL}*(?:\.{_LABEL}+){{2,}}(?:[:/?#][^*{{}}]*)?)"
)


def origin_of(url: str) -> str | None:
    """The origin as a browser sends it, such as `http://localhost:3000`; None for a URL without a host.

    A placeholder in the host stays.
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


def origins(urls: Iterable[str]) -> list[str]:
    """The URLs that are origins, in lower case. A URL with a path is none, not even with `/`."""
    return [url.lower() for url in urls if origin_of(url) == url.lower()]


def has_placeholder(url: str) -> bool:
    """Whether the part of the host has a placeholder, of any form."""
    return re.match("[^/?#]*//[^/?#]*[*{]", url) is not None


def is_understood(pattern: str, *, organizations: bool) -> bool:
    """Whether the pattern can match something. `organizations`: it may contain the name of an organization."""
    found = _WITH_PLACEHOLDER.fullmatch(pattern)
    if found is None:
        return not has_placeholder(pattern)
    return found["placeholder"] == "*" or (organizations and _is_alone(found))


def matches(url: str, pattern: str, organization: str | None = None) -> bool:
    """Whether a URL or an origin is the pattern, character by character, except for the pattern's placeholder.

    `*` stands for one subdomain or a part of it, `{organization_name}` for the name of the organization. A pattern
    with a placeholder in another place, or with several, matches nothing.
    """
    if not has_placeholder(pattern):
        return url == pattern
    found = _WITH_PLACEHOLDER.fullmatch(pattern)
    if found is None:
        return False
    before, placeholder, after = found.group("before", "placeholder", "after")
    if placeholder == "*":
        return re.fullmatch(f"{re.escape(before)}{_LABEL}+{re.escape(after)}", url) is not None
    return organization is not None and _is_alone(found) and url == f"{before}{organization}{after}"


def _is_alone(found: re.Match[str]) -> bool:
    """Whether the placeholder is the whole first label."""
    return found["before"].endswith("/") and found["after"].startswith(".")
