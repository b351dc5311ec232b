"""The server, as a client finds it."""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import urlsplit

from ..causes.catalogue import check_of
from ..errors import SignInError, UnreachableError
from ..signin.http.fetch import Fetcher, Reply
from ..signin.protocol.challenge import Challenge, bearer_challenge
from ..signin.protocol.discovery import ProtectedResource, choose_issuer, discover_resource
from ..storage.grant import Grant
from .findings import Record

CLOCK_TOLERANCE: Final = 30.0  # seconds

_HEADERS: Final = {"Accept": "application/json, text/event-stream"}
_INITIALIZE: Final = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "gatehouse-doctor", "version": "1"},
    },
}
_METADATA: Final = ("resource-metadata", "authorization-server")


async def see_server(
    fetch: Fetcher, url: str, issuer: str | None, record: Record
) -> tuple[ProtectedResource, Challenge | None] | None:
    """What the server says of itself to who has no token; None where that cannot be had.

    Args:
        issuer: whom the application belongs to; None if that is not configured.
    """
    try:
        reply = await fetch.post_json(url, _INITIALIZE, _HEADERS)
    except (UnreachableError, SignInError) as error:
        unreached(record, "server", error)
        record.unknown(("challenge", *_METADATA), "the server cannot be reached")
        return None
    note(record, "the server", reply)
    challenge = bearer_challenge(reply.headers.get_list("www-authenticate"))
    if reply.status in (404, 405) or reply.status >= 500:
        record.wrong("server", f"{url} answers {reply.status}.")
        record.unknown("challenge", f"the server answers {reply.status}")
    else:
        record.ok("server", f"{url} answers.")
    if reply.status == 421:
        record.wrong("hosts", f"{url} answers 421: it does not take the host name {urlsplit(url).netloc}.")
        record.unknown("challenge", "the server answers 421")
    elif reply.status != 401:
        record.wrong("challenge", f"{url} answers {reply.status} to a request without a token, not 401.")
    elif challenge is None or challenge.resource_metadata is None:
        record.wrong("challenge", "The 401 answer has no `WWW-Authenticate: Bearer … resource_metadata=…`.")
    else:
        record.ok("challenge", f"401 with {challenge.resource_metadata}")
    try:
        resource = await discover_resource(fetch, url, challenge)
    except (UnreachableError, SignInError) as error:
        record.wrong("resource-metadata", str(error))
        record.unknown("authorization-server", "the server's metadata cannot be used")
        return None
    if resource.resource == url:
        record.ok("resource-metadata", resource.resource)
    else:
        seen = f"The server calls itself {resource.resource!r}, the client is set to {url!r}."
        record.wrong("resource-metadata", seen, f"MCP_PUBLIC_URL={resource.resource}")
    try:
        record.ok("authorization-server", choose_issuer(resource, issuer))
    except SignInError as error:
        record.wrong("authorization-server", str(error))
    return resource, challenge


async def see_acceptance(fetch: Fetcher, url: str, grant: Grant, record: Record) -> None:
    """Whether the server takes the token, and the host name and origin of its clients."""
    checks = ("accepted", "hosts")
    headers = {**_HEADERS, "Authorization": f"Bearer {grant.access_token}"}
    parts = urlsplit(url)
    origin = f"{parts.scheme}://{parts.netloc}"
    try:
        reply = await fetch.post_json(url, _INITIALIZE, headers)
        from_origin = await fetch.post_json(url, _INITIALIZE, {**headers, "Origin": origin})
    except (UnreachableError, SignInError) as error:
        record.unknown(checks, str(error))
        return
    challenge = bearer_challenge(reply.headers.get_list("www-authenticate"))
    if reply.status == 401:
        said = (challenge and (challenge.description or challenge.error)) or "it does not say why"
        cause = check_of(said)
        if cause is not None and record.is_wrong(cause):
            record.unknown("accepted", f"{cause} is wrong (401: {said})")
        else:
            record.wrong("accepted", f"401: {said}")
        record.unknown("hosts", "the server does not accept the token")
        return
    if reply.status == 421:
        record.wrong("hosts", f"{url} answers 421: it does not take the host name {parts.netloc}.")
        record.unknown("accepted", "the server answers 421")
        return
    if reply.status >= 500 or reply.status == 429:
        record.unknown(checks, f"the server answers {reply.status}")
        return
    record.ok("accepted", "The token is accepted." if reply.status < 400 else f"{reply.status}, but not for the token.")
    if from_origin.status == 403 and reply.status != 403:
        record.wrong("hosts", f"The server does not take the origin {origin}.")
    else:
        record.ok("hosts", f"{parts.netloc}, and the origin {origin}")


def note(record: Record, who: str, reply: Reply) -> None:
    """Remember whose clock says what, and whose certificate is trusted."""
    parts = urlsplit(reply.url)
    if parts.scheme == "https":
        record.reached.append(parts.netloc)
    try:
        date = parsedate_to_datetime(reply.headers["date"])
    except (KeyError, ValueError):
        return
    record.offsets[who] = date.timestamp() - time.time()


def unreached(record: Record, check: str, error: Exception) -> None:
    """An error of the network, under the check that it is about."""
    if check_of(str(error)) == "tls":
        record.wrong("tls", str(error))
        record.unknown(check, "its certificate is not trusted")
    else:
        record.wrong(check, str(error))


def see_clock(record: Record) -> None:
    """Whether the clocks agree: tokens are dated by the tenant's and read by the server's."""
    if not record.offsets:
        record.unknown("clock", "nobody said what time it is (no Date header)")
        return
    known = {"this machine": 0.0, **record.offsets}
    first, last = min(known, key=known.__getitem__), max(known, key=known.__getitem__)
    apart = known[last] - known[first]
    if apart > CLOCK_TOLERANCE:
        record.wrong("clock", f"The clock of {last} is {apart:.0f} s ahead of that of {first}.")
    else:
        record.ok("clock", f"{', '.join(known)}: the same within {CLOCK_TOLERANCE:.0f} s")


def see_certificates(record: Record) -> None:
    """Whether TLS is used, and trusted."""
    if record.reached:
        record.ok("tls", ", ".join(dict.fromkeys(record.reached)))
    else:
        record.unknown("tls", "http on this machine has no certificates")
