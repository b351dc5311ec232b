"""The MCP server, as a client sees it."""

from __future__ import annotations

import time
from contextlib import suppress
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import urlsplit

from ..causes.catalogue import check_of
from ..claims import claims_of
from ..errors import Party, SignInError
from ..foreign_text import foreign
from ..signin.http.fetch import Reply
from ..signin.protocol.challenge import bearer_challenge
from ..signin.protocol.discovery import OtherResource, choose_issuer, discover_resource, issuer_metadata
from .context import FAILURES, Context
from .findings import Finding, not_needed, ok, unknown, wrong
from .tenant import keys_reply

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


async def answer_to(context: Context, token: str | None = None, **headers: str) -> Reply:
    """The server's answer to the first request of a client."""
    authorization = {"Authorization": f"Bearer {token}"} if token else {}
    document = {**_HEADERS, **authorization, **headers}
    return await context.fetch.post_json(context.url, _INITIALIZE, document, Party.SERVER)


async def first_answer(context: Context) -> Reply:
    """The server's answer to a request without a token."""

    async def ask() -> Reply:
        reply = await answer_to(context)
        _note_clock(context, "the server", reply)
        return reply

    return await context.once("the server's answer", ask)


async def certificates(context: Context) -> Finding:
    """Whether TLS is used and its certificates are trusted."""
    hosts = []
    with suppress(*FAILURES):
        await _discover(context)
    for ask in (first_answer, keys_reply):
        try:
            url = urlsplit((await ask(context)).url)
        except FAILURES as error:
            if check_of(str(error)) == "tls":
                return wrong(str(error))
        else:
            hosts += [url.netloc] if url.scheme == "https" else []
    if hosts:
        return ok(", ".join(dict.fromkeys(hosts)))
    return not_needed("no answer came over https, so there is no certificate to check")


async def clocks(context: Context) -> Finding:
    """Whether the clocks agree: the tenant dates the tokens, and the server compares the dates with its own clock."""
    for party, ask in (("the server", first_answer), ("the tenant", keys_reply)):
        with suppress(*FAILURES):
            _note_clock(context, party, await ask(context))
    known = {"this machine": 0.0, **context.clock_offsets}
    first, last = min(known, key=known.__getitem__), max(known, key=known.__getitem__)
    apart = known[last] - known[first]
    if apart > CLOCK_TOLERANCE:
        return wrong(f"The clock of {last} is {apart:.0f} s ahead of that of {first}.")
    issued = claims_of(stored.access_token).get("iat") if (stored := context.account.stored()) else None
    ahead = issued - time.time() if isinstance(issued, int | float) else 0.0
    if ahead > CLOCK_TOLERANCE:
        return wrong(
            f"The stored access token is from the future: by its `iat`, the tenant issued it in {ahead:.0f} s."
        )
    if not context.clock_offsets:
        return not_needed("no answer has a Date header")
    return ok(f"{', '.join(known)}: the same within {CLOCK_TOLERANCE:.0f} s")


def _note_clock(context: Context, party: str, reply: Reply) -> None:
    """Compare the clock of the party that just sent the reply. A later call for the same party changes nothing."""
    with suppress(KeyError, ValueError, TypeError, OverflowError):
        ahead = parsedate_to_datetime(reply.headers["date"]).timestamp() - time.time()
        context.clock_offsets.setdefault(party, ahead)


async def server(context: Context) -> Finding:
    """Whether an MCP server answers."""
    try:
        reply = await first_answer(context)
    except FAILURES as error:
        return wrong(str(error))
    if reply.status in (404, 405) or reply.status >= 500:
        return wrong(f"{context.url} answers {reply.status}.")
    if reply.status == 429:
        return unknown(f"{context.url} answers 429: it has too many requests now")
    return ok(f"{context.url} answers.")


async def challenge(context: Context) -> Finding:
    """Whether the server asks for a sign-in, and says where."""
    reply = await first_answer(context)
    if reply.status == 421:
        return unknown("the server does not accept the host name: see hosts")
    if reply.status != 401:
        return wrong(f"{context.url} answers {reply.status} to a request without a token, not 401.")
    found = bearer_challenge(reply.headers.get_list("www-authenticate"))
    if found is None or found.resource_metadata is None:
        return wrong("The 401 answer has no `WWW-Authenticate: Bearer` with `resource_metadata`.")
    context.challenge = found
    return ok(f"401 with {foreign(found.resource_metadata)}")


async def required_permission(context: Context) -> Finding:
    """Whether the server requires the permission that the agent's settings name."""
    named = context.challenge.permissions if context.challenge else ()
    if not named:
        return not_needed("the server's challenge names no permission")
    if context.permission in named:
        return ok(context.permission)
    listed = foreign(" ".join(named))
    return wrong(
        f"The server asks for {listed}, but REQUIRED_PERMISSION of the client is {context.permission}.",
        needed=named[0],
        believed=context.permission,
    )


async def hosts(context: Context) -> Finding:
    """Whether the server accepts the host name."""
    if (await first_answer(context)).status == 421:
        return wrong(f"{context.url} answers 421: it does not accept the host name {urlsplit(context.url).netloc}.")
    return not_needed("only a request with an accepted token tells this")


async def _discover(context: Context) -> None:
    """Find the server's metadata."""

    async def discover() -> None:
        reply = await first_answer(context)
        found = bearer_challenge(reply.headers.get_list("www-authenticate"))
        context.metadata = await discover_resource(context.fetch, context.url, found)

    await context.once("the server's metadata", discover)


async def resource_metadata(context: Context) -> Finding:
    """Whether the server's metadata is about the URL that the agent uses."""
    try:
        await _discover(context)
    except OtherResource as error:
        return wrong(str(error), resource=error.resource)
    except FAILURES as error:
        return wrong(str(error))
    assert context.resource is not None
    if context.resource == context.url:
        return ok(context.resource)
    seen = f"The server's resource is {foreign(context.resource)!r}, but MCP_PUBLIC_URL of the client is"
    return wrong(f"{seen} {context.url!r}.", resource=context.resource)


async def authorization_server(context: Context) -> Finding:
    """Whether the server names the tenant that the application belongs to."""
    assert context.metadata is not None
    expected, named = context.settings.issuer, context.metadata.authorization_servers
    try:
        return ok(choose_issuer(context.metadata, expected))
    except SignInError:
        pass
    theirs = foreign(named[0])
    seen = f"The server names the authorization server {theirs}, but the client belongs to {expected}."
    try:
        _, document = await issuer_metadata(context.fetch, named[0], context.url)
    except FAILURES as error:
        return wrong(f"{seen} The server's is wrong: {error}", issuer=expected)
    if document.issuer != named[0]:
        own = f"{theirs} calls itself {foreign(document.issuer)!r}"
        return wrong(f"{seen} The server's is wrong: {own}.", issuer=expected)
    return wrong(f"{seen} Both exist: the client needs an application of the server's.", issuer=expected)
