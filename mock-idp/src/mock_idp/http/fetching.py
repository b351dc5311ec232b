"""Fetching a document from a URL in a request, without opening private addresses to its sender (SSRF)."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import anyio

from ..formats.parsing import parse_json

if TYPE_CHECKING:
    import httpx2

TIMEOUT = 5.0
NAT64 = IPv6Network("64:ff9b::/96")


class FetchError(Exception):
    """The document cannot be fetched. The message names the reason for the person who runs the tenant."""


@dataclass(frozen=True)
class Fetcher:
    """Gets JSON over https: no redirects, no proxies, limited in size and time, never from a private address.

    It connects to the address that it checked, so that the name cannot resolve to another address in between (DNS
    rebinding). `allow_private` turns the address check off for tests; `ca_file` trusts another CA.
    """

    allow_private: bool = False
    ca_file: Path | None = None

    async def get(self, url: str, *, max_bytes: int) -> dict[str, Any]:
        """The JSON object at an https URL. FetchError otherwise."""
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or 443
        address = await self._checked_address(host, port)
        # Imported here because the import takes a tenth of the start, and a start fetches nothing.
        import httpx2

        try:
            with anyio.fail_after(TIMEOUT):
                return await self._get(url, host, address, max_bytes)
        except TimeoutError as error:
            raise FetchError(f"{url} did not answer within {TIMEOUT:.0f} seconds") from error
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            raise FetchError(f"{url} could not be fetched: {error or type(error).__name__}") from error

    async def _checked_address(self, host: str, port: int) -> str:
        try:
            with anyio.fail_after(TIMEOUT):
                found = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError, TimeoutError) as error:
            raise FetchError(f"the host {host!r} could not be resolved") from error
        addresses = [str(entry[4][0]) for entry in found]
        if not self.allow_private and not all(is_public(address) for address in addresses):
            raise FetchError(f"the host {host!r} has an address that is not public")
        return addresses[0]

    async def _get(self, url: str, host: str, address: str, max_bytes: int) -> dict[str, Any]:
        import httpx2

        parts = urlsplit(url)
        numeric = f"[{address}]" if ":" in address else address
        target = parts._replace(netloc=f"{numeric}:{parts.port}" if parts.port else numeric).geturl()
        headers = {"Host": parts.netloc, "Accept": "application/json"}
        async with (
            httpx2.AsyncClient(verify=self._tls(), trust_env=False, follow_redirects=False, timeout=TIMEOUT) as http,
            http.stream("GET", target, headers=headers, extensions={"sni_hostname": host}) as response,
        ):
            if response.status_code != httpx2.codes.OK:
                raise FetchError(f"{url} answered {response.status_code}; only 200 counts, and redirects do not")
            return _object(url, await _body(url, response, max_bytes))

    def _tls(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        if self.ca_file is not None:
            context.load_verify_locations(self.ca_file)
        return context


def is_public(address: str) -> bool:
    """Whether an IP address is public. An IPv4 address inside an IPv6 one is also checked."""
    parsed = ip_address(address.partition("%")[0])
    if parsed.version == 6:
        embedded = parsed.ipv4_mapped or parsed.sixtofour or (parsed.teredo or (None, None))[1] or _nat64(parsed)
        if embedded is not None:
            return is_public(str(embedded))
    return parsed.is_global and not parsed.is_multicast


def _nat64(address: IPv6Address) -> IPv4Address | None:
    """The IPv4 address inside a NAT64 one (RFC 6052)."""
    return IPv4Address(int(address) & 0xFFFFFFFF) if address in NAT64 else None


async def _body(url: str, response: httpx2.Response, max_bytes: int) -> bytes:
    body = b""
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > max_bytes:
            raise FetchError(f"{url} is larger than {max_bytes} bytes")
    return body


def _object(url: str, body: bytes) -> dict[str, Any]:
    try:
        document = parse_json(body)
    except ValueError as error:
        raise FetchError(f"{url} is not JSON") from error
    if not isinstance(document, dict):
        raise FetchError(f"{url} is not a JSON object")
    return document
