"""The server's own requests: to the tenant, and of the tools to other APIs.

They honour HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY, in lower or upper case (docs/network.md). This machine is
never reached through a proxy.
"""

from __future__ import annotations

import ipaddress
import os
import re
import ssl
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import urlsplit

import httpx2

_CREDENTIALS = re.compile(r"^([A-Za-z][\w+.-]*://)?.*@", re.DOTALL)
_LIMITS = httpx2.Limits(max_connections=100, max_keepalive_connections=20)  # httpx2's own defaults
_VALID = "http://HOST:PORT or https://HOST:PORT"


class Proxy(NamedTuple):
    """A proxy: its URL, perhaps with user and password, and the variable that names it."""

    url: str
    source: str

    def __repr__(self) -> str:
        return f"the proxy {_shown(self.url)} ({self.source})"

    def __str__(self) -> str:
        return repr(self)


def http_client(authorities: ssl.SSLContext | None = None, timeout: float | None = 10.0) -> httpx2.AsyncClient:
    """A client for the server's own requests. It follows no redirects, because requests have secrets.

    Args:
        authorities: the certificate authorities for TLS; by default those of SSL_CERT_FILE or the system.
        timeout: seconds.
    """
    transport = _ProxyTransport(authorities or httpx2.create_ssl_context())
    return httpx2.AsyncClient(transport=transport, follow_redirects=False, timeout=timeout, trust_env=False)


def transport_to(
    url: str, authorities: ssl.SSLContext | None = None, limits: httpx2.Limits | None = None
) -> httpx2.AsyncHTTPTransport:
    """A transport for requests to one server. It follows no redirects and keeps no cookies.

    Raises:
        ValueError: the value of the variable with the proxy is not the URL of an HTTP proxy.
    """
    return _transport(authorities or httpx2.create_ssl_context(), proxy_for(url), limits or _LIMITS)


def proxy_for(url: str) -> Proxy | None:
    """The proxy that a request for `url` uses; None if it uses none.

    Raises:
        ValueError: the value of the variable is not the URL of an HTTP proxy.
    """
    parts = urlsplit(url)
    host = (parts.hostname or "").rstrip(".")
    if _is_loopback(host):
        return None
    name, value = _configured(parts.scheme)
    if not value or _is_excepted(host, parts.port or {"http": 80, "https": 443}.get(parts.scheme)):
        return None
    return Proxy(_checked(name, value, host), name)


class _ProxyTransport(httpx2.AsyncBaseTransport):
    """Sends each request directly or to its proxy. Errors name the proxy."""

    def __init__(self, authorities: ssl.SSLContext) -> None:
        self._authorities = authorities
        self._transports: dict[Proxy | None, httpx2.AsyncHTTPTransport] = {}

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        proxy = proxy_for(str(request.url))
        if proxy not in self._transports:
            self._transports[proxy] = _transport(self._authorities, proxy)
        try:
            return await self._transports[proxy].handle_async_request(request)
        except httpx2.TransportError as error:
            if proxy is None:
                raise
            raise type(error)(f"through {proxy}: {error or type(error).__name__}", request=request) from error

    async def aclose(self) -> None:
        for transport in self._transports.values():
            await transport.aclose()


def _transport(
    authorities: ssl.SSLContext, proxy: Proxy | None, limits: httpx2.Limits = _LIMITS
) -> httpx2.AsyncHTTPTransport:
    if proxy is None:
        return httpx2.AsyncHTTPTransport(verify=authorities, trust_env=False, limits=limits)
    tls = authorities if proxy.url.lower().startswith("https:") else None
    chosen = httpx2.Proxy(proxy.url, ssl_context=tls)
    return httpx2.AsyncHTTPTransport(verify=authorities, proxy=chosen, trust_env=False, limits=limits)


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


def _configured(scheme: str) -> tuple[str, str]:
    """The variable for URLs with this scheme, and its value; an empty value means no proxy."""
    for variable in (f"{scheme}_proxy", "all_proxy"):
        for name in (variable, variable.upper()):
            # A CGI server puts the header "Proxy" of a request into HTTP_PROXY (CVE-2016-5385).
            if name in os.environ and not (name == "HTTP_PROXY" and "REQUEST_METHOD" in os.environ):
                if os.environ[name]:
                    return name, os.environ[name]
                break
    return "", ""


def _is_excepted(host: str, port: int | None) -> bool:
    """Whether NO_PROXY names the host: `*`, a name with all names below it, an address, a network, each with or without
    a port."""
    value = os.environ.get("no_proxy", os.environ.get("NO_PROXY", ""))
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
        except ValueError:  # one of them is a name
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
    raise ValueError(
        f"{name} is {_shown(value)!r}: {problem}. Valid is {_VALID}; or add {host} to NO_PROXY if it is reachable"
        " without a proxy"
    )


def _shown(value: str) -> str:
    """The value of a variable without user and password."""
    return _CREDENTIALS.sub(r"\1***@", value)[:300]
