"""Which addresses the sign-in may connect to (MCP security best practices, "SSRF"; RFC 9728 section 7.7).

A server names URLs that the client then fetches. A server may not name an address that is nearer to this machine than
its own: a public server may not name a private address, and a private server may not name this machine. Host names are
resolved first, and the connection uses the addresses that were checked.
"""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import anyio
import httpx2

from ...errors import ConfigurationError, SignInError, UnreachableError
from ...foreign_text import foreign
from .addresses import Nearness, literal_address, nearness
from .proxies import proxy_for

Resolve = Callable[[str], Awaitable[list[str]]]


def authorities(ca_file: Path | None = None) -> ssl.SSLContext:
    """The certificate authorities for TLS: those of SSL_CERT_FILE or the system, and those of `ca_file`.

    They are read only once, because that is slower than most requests.

    Raises:
        ConfigurationError: a file has no certificates.
    """
    return _read_authorities(ca_file, os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))


@cache
def _read_authorities(ca_file: Path | None, in_place: str | None, _: str | None) -> ssl.SSLContext:
    try:
        context = httpx2.create_ssl_context()
    except OSError as error:
        raise _no_certificates("SSL_CERT_FILE", in_place, error) from error
    if ca_file is not None:
        try:
            context.load_verify_locations(ca_file)
        except OSError as error:
            raise _no_certificates("AUTH0_CA_FILE", ca_file, error) from error
    return context


def _no_certificates(name: str, path: object, error: OSError) -> ConfigurationError:
    seen = "it has no certificate" if isinstance(error, ssl.SSLError) else error.strerror
    return ConfigurationError(f"{name} is {str(path)!r}: it must be a file with certificates in PEM ({seen}).")


async def system_addresses(host: str) -> list[str]:
    """The addresses of a name, by the system's resolver.

    Raises:
        OSError: the name has none.
    """
    found = await anyio.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class NetworkGuard:
    """Decides which addresses a connection may use.

    Args:
        trusted: URLs that the person configured. Their hosts may have any address. The nearest of them limits how near
            other hosts may be.
        private_network: whether a public server may also name private addresses (an intranet's split DNS).
    """

    def __init__(
        self, trusted: Iterable[str], *, private_network: bool = False, resolve: Resolve = system_addresses
    ) -> None:
        self._trusted = {host for url in trusted if (host := urlsplit(url).hostname)}
        self.private_network = private_network
        self._resolve = resolve

    async def addresses(self, url: str) -> list[str]:
        """The addresses to connect to for `url`. The list is empty if the URL is used as it is: for trusted hosts,
        behind a proxy (which resolves names itself), for names of this machine, and for addresses.

        Raises:
            SignInError: an address is nearer than allowed.
            UnreachableError: the name has no address.
            ConfigurationError: as `proxy_for`.
        """
        host = urlsplit(url).hostname or ""
        if host in self._trusted or proxy_for(url) is not None:
            return []
        found = await self._resolved(host)
        allowed = await self._allowed()
        for address in found:
            if nearness(address) > allowed:
                raise SignInError(
                    f"{foreign(host)} is at {address}: a server must not send the sign-in to an address that is nearer"
                    " to this machine than its own. Is it your intranet? Then set GATEHOUSE_PRIVATE_NETWORK=1."
                )
        return [] if literal_address(host) else found

    async def _allowed(self) -> Nearness:
        """The nearness of the nearest trusted host."""
        allowed = Nearness.PRIVATE if self.private_network else Nearness.PUBLIC
        for host in self._trusted:
            for address in await self._resolved(host):
                allowed = max(allowed, nearness(address))
        return min(allowed, Nearness.LOOPBACK)

    async def _resolved(self, host: str) -> list[str]:
        literal = literal_address(host)
        if literal:
            return [literal]
        try:
            return await self._resolve(host)
        except (OSError, UnicodeError) as error:
            raise UnreachableError(f"{foreign(host)} cannot be reached: its name has no address.") from error
