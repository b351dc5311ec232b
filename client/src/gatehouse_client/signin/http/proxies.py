"""The proxy of a request: HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY, in lower or upper case (docs/network.md).

This machine is never reached through a proxy. Only the variable that a request uses is read, so a wrong value has no
effect on requests that need no proxy.
"""

from __future__ import annotations

import ipaddress
import os
import re
import ssl
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Final
from urllib.parse import urlsplit

import httpx2

from ...causes.catalogue import advice
from ...errors import ConfigurationError, Party
from ...foreign_text import foreign
from .addresses import is_loopback

_SYSTEM: Final = "The system's proxy setting"  # macOS and Windows, if no variable is set
_CREDENTIALS: Final = re.compile(r"^([A-Za-z][\w+.-]*://)?.*@", re.DOTALL)
_VALID: Final = "http://HOST:PORT or https://HOST:PORT"


@dataclass(frozen=True)
class Proxy:
    """A proxy.

    Attributes:
        url: its URL, perhaps with user and password.
        source: the variable that names it.
    """

    url: str = field(repr=False)
    source: str

    def __str__(self) -> str:
        return f"{_shown(self.url)} ({self.source})"

    def settings(self, authorities: ssl.SSLContext) -> httpx2.Proxy:
        """The proxy for `httpx2.AsyncClient`."""
        return httpx2.Proxy(self.url, ssl_context=authorities if self.is_tls else None)

    @property
    def is_tls(self) -> bool:
        """Whether the connection to the proxy itself uses TLS."""
        return self.url.lower().startswith("https:")


def proxy_for(url: str) -> Proxy | None:
    """The proxy that a request for `url` uses; None if it uses none.

    Raises:
        ConfigurationError: the value is not the URL of an HTTP proxy.
    """
    parts = urlsplit(url)
    host = (parts.hostname or "").rstrip(".")
    if is_loopback(host):
        return None
    name, value = _configured(parts.scheme)
    if not value or _is_excepted(host, parts.port or {"http": 80, "https": 443}.get(parts.scheme)):
        return None
    return Proxy(_checked(name, value, host), name)


def require_usable_proxies() -> None:
    """Check the proxies for packages that read the variables themselves, also if no request uses a proxy.

    Raises:
        ConfigurationError: as `proxy_for`.
    """
    for scheme in ("http", "https"):
        name, value = _configured(scheme)
        if value and not (value.lower().startswith("socks") and find_spec("socksio")):
            _checked(name, value, "the model's host")


def unreachable(url: str, party: Party, shown: str, error: httpx2.HTTPError, otherwise: str) -> str:
    """The message for a request without an answer. It names what failed: the proxy, or the party.

    Args:
        party: who should answer at `url`.
        shown: `url` for the message.
        otherwise: what to do if the cause is not known.
    """
    proxy, detail = proxy_for(url), foreign(str(error)) or type(error).__name__
    if proxy is None:
        return f"The {party} {shown} cannot be reached: {detail}.{advice(detail, otherwise)}"
    known = advice(detail)
    instead = f"or add {urlsplit(url).hostname} to NO_PROXY if it is reachable without a proxy"
    if isinstance(error, httpx2.ProxyError):
        return (
            f"The proxy {proxy} does not connect to the {party} {shown}: {detail}. Set {proxy.source} to a proxy that"
            f" allows this host (with user and password: http://USER:PASSWORD@HOST:PORT), {instead}."
        )
    if isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout) and not known:
        return (
            f"The proxy {proxy} cannot be reached: {detail}. It was asked for the {party} {shown}. Correct"
            f" {proxy.source}, {instead}."
        )
    return f"The {party} {shown} cannot be reached through the proxy {proxy}: {detail}.{known or f' {otherwise}'}"


def _configured(scheme: str) -> tuple[str, str]:
    """The variable for URLs with this scheme, and its value; an empty value means no proxy."""
    for variable in (f"{scheme}_proxy", "all_proxy"):
        for name in (variable, variable.upper()):
            # A CGI server puts the header "Proxy" of a request into HTTP_PROXY (CVE-2016-5385).
            if name in os.environ and not (name == "HTTP_PROXY" and "REQUEST_METHOD" in os.environ):
                if os.environ[name]:
                    return name, os.environ[name]
                break
    if any(name.lower().endswith("_proxy") for name in os.environ):
        return "", ""
    found = urllib.request.getproxies()
    return _SYSTEM, found.get(scheme) or found.get("all") or ""


def _is_excepted(host: str, port: int | None) -> bool:
    """Whether NO_PROXY names the host: `*`, a name with all names below it, an address, a network, each with or without
    a port. Without any variable, the system's exceptions count."""
    value = os.environ.get("no_proxy", os.environ.get("NO_PROXY"))
    if value is None:
        return bool(urllib.request.proxy_bypass(host))
    return any(_matches(entry, host, port) for entry in re.split(r"[,\s]+", value.lower()) if entry)


def _matches(entry: str, host: str, port: int | None) -> bool:
    if entry == "*":
        return True
    for name, only in _host_and_port(entry.rpartition("://")[2]):
        if only is not None and only != port:
            continue
        try:
            if ipaddress.ip_address(host) in ipaddress.ip_network(name, strict=False):
                return True
        except (ValueError, TypeError):  # one of them is a name, or they are of different versions
            domain = name.lstrip("*").strip(".")
            if domain and (host == domain or host.endswith(f".{domain}")):
                return True
    return False


def _host_and_port(entry: str) -> Iterator[tuple[str, int | None]]:
    """The ways to read an entry: `::1` has no port, `[::1]:80` and `example.com:80` have one."""
    yield entry.strip("[]"), None
    name, _, port = entry.rpartition(":")
    if name and port.isdecimal():
        yield name.strip("[]"), int(port)


def _checked(name: str, value: str, host: str) -> str:
    url = value if "://" in value else f"http://{value}"
    problem = "it is not the URL of a proxy"
    try:
        parts = urlsplit(url)
        port, _ = parts.port, httpx2.Proxy(url)
        if parts.scheme in ("http", "https") and parts.hostname and port != 0 and not re.search(r"\s", url):
            return url
    except (ValueError, httpx2.InvalidURL):
        pass
    if url.lower().startswith("socks"):
        problem = "SOCKS proxies are not supported"
    raise ConfigurationError(
        f"{name} is {_shown(value)!r}: {problem}. Valid is {_VALID}. Correct it, or add {host} to NO_PROXY if it is"
        " reachable without a proxy."
    )


def _shown(value: str) -> str:
    """The value of a variable without user and password."""
    return foreign(_CREDENTIALS.sub(r"\1***@", value))
