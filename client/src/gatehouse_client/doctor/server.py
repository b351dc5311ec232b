"""The MCP server, as a client sees it."""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import urlsplit

from ..causes.catalogue import check_of
from ..errors import Party, SignInError, UnreachableError
from ..signin.http.fetch import Fetcher, Reply
from ..signin.protocol.challenge import Challenge, bearer_challenge
from ..signin.protocol.discovery import ProtectedResource, choose_issuer, discover_resource
from ..storage.grant import Grant
from .findings import Findings

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


async def check_server(
    fetch: Fetcher, url: str, issuer: str | None, findings: Findings
) -> tuple[ProtectedResource, Challenge | None] | None:
    """Check and return the server's metadata and its challenge to a request without a token; None if not available.

    Args:
        issuer: the tenant of the application; None if it is not configured.
    """
    try:
        reply = await fetch.post_json(url, _INITIALIZE, _HEADERS, Party.SERVER)
    except (UnreachableError, SignInError) as error:
        add_network_error(findings, "server", error)
        findings.unknown(("challenge", "resource-metadata", "authorization-server"), "the server cannot be reached")
        return None
    note_reply(findings, "the server", reply)
    challenge = bearer_challenge(reply.headers.get_list("www-authenticate"))
    if reply.status in (404, 405) or reply.status >= 500:
        findings.wrong("server", f"{url} answers {reply.status}.")
        findings.unknown("challenge", f"the server answers {reply.status}")
    else:
        findings.ok("server", f"{url} answers.")
    if reply.status == 421:
        findings.wrong("hosts", f"{url} answers 421: it does not accept the host name {urlsplit(url).netloc}.")
        findings.unknown("challenge", "the server answers 421")
    elif reply.status != 401:
        findings.wrong("challenge", f"{url} answers {reply.status} to a request without a token, not 401.")
    elif challenge is None or challenge.resource_metadata is None:
        findings.wrong("challenge", "The 401 answer has no `WWW-Authenticate: Bearer … resource_metadata=…`.")
    else:
        findings.ok("challenge", f"401 with {challenge.resource_metadata}")
    try:
        resource = await discover_resource(fetch, url, challenge)
    except (UnreachableError, SignInError) as error:
        findings.wrong("resource-metadata", str(error))
        findings.unknown("authorization-server", "the server's metadata is not usable")
        return None
    if resource.resource == url:
        findings.ok("resource-metadata", resource.resource)
    else:
        seen = f"The server's resource is {resource.resource!r}, but MCP_PUBLIC_URL of the client is {url!r}."
        findings.wrong("resource-metadata", seen, f"MCP_PUBLIC_URL={resource.resource}")
    try:
        findings.ok("authorization-server", choose_issuer(resource, issuer))
    except SignInError as error:
        findings.wrong("authorization-server", str(error))
    return resource, challenge


async def check_acceptance(fetch: Fetcher, url: str, grant: Grant, findings: Findings) -> None:
    """Whether the server accepts the token, the host name and the origin."""
    checks = ("accepted", "hosts")
    headers = {**_HEADERS, "Authorization": f"Bearer {grant.access_token}"}
    parts = urlsplit(url)
    origin = f"{parts.scheme}://{parts.netloc}"
    try:
        reply = await fetch.post_json(url, _INITIALIZE, headers, Party.SERVER)
        from_origin = await fetch.post_json(url, _INITIALIZE, {**headers, "Origin": origin}, Party.SERVER)
    except (UnreachableError, SignInError) as error:
        findings.unknown(checks, str(error))
        return
    challenge = bearer_challenge(reply.headers.get_list("www-authenticate"))
    if reply.status == 401:
        said = (challenge and (challenge.description or challenge.error)) or "no reason given"
        cause = check_of(said)
        if cause is not None and findings.is_wrong(cause):
            findings.unknown("accepted", f"{cause} is wrong (401: {said})")
        else:
            findings.wrong("accepted", f"401: {said}")
        findings.unknown("hosts", "the server does not accept the token")
        return
    if reply.status == 421:
        findings.wrong("hosts", f"{url} answers 421: it does not accept the host name {parts.netloc}.")
        findings.unknown("accepted", "the server answers 421")
        return
    if reply.status >= 500 or reply.status == 429:
        findings.unknown(checks, f"the server answers {reply.status}")
        return
    findings.ok(
        "accepted",
        "The token is accepted."
        if reply.status < 400
        else f"The server answers {reply.status}, but not because of the token.",
    )
    if from_origin.status == 403 and reply.status != 403:
        findings.wrong("hosts", f"The server does not accept the origin {origin}.")
    else:
        findings.ok("hosts", f"{parts.netloc}, and the origin {origin}")


def note_reply(findings: Findings, party: str, reply: Reply) -> None:
    """Note the clock and the trusted certificate of the party that sent the reply."""
    parts = urlsplit(reply.url)
    if parts.scheme == "https":
        findings.trusted_hosts.append(parts.netloc)
    try:
        date = parsedate_to_datetime(reply.headers["date"])
    except (KeyError, ValueError):
        return
    findings.clock_offsets[party] = date.timestamp() - time.time()


def add_network_error(findings: Findings, check: str, error: Exception) -> None:
    """Add a network error to the check `tls` or to `check`."""
    if check_of(str(error)) == "tls":
        findings.wrong("tls", str(error))
        findings.unknown(check, "the certificate is not trusted")
    else:
        findings.wrong(check, str(error))


def check_clock(findings: Findings) -> None:
    """Whether the clocks agree: the tenant dates the tokens, and the server compares the dates with its own clock."""
    if not findings.clock_offsets:
        findings.unknown("clock", "no answer has a Date header")
        return
    known = {"this machine": 0.0, **findings.clock_offsets}
    first, last = min(known, key=known.__getitem__), max(known, key=known.__getitem__)
    apart = known[last] - known[first]
    if apart > CLOCK_TOLERANCE:
        findings.wrong("clock", f"The clock of {last} is {apart:.0f} s ahead of that of {first}.")
    else:
        findings.ok("clock", f"{', '.join(known)}: the same within {CLOCK_TOLERANCE:.0f} s")


def check_certificates(findings: Findings) -> None:
    """Whether TLS is used and its certificates are trusted."""
    if findings.trusted_hosts:
        findings.ok("tls", ", ".join(dict.fromkeys(findings.trusted_hosts)))
    else:
        findings.unknown("tls", "only http is used, which has no certificates")
