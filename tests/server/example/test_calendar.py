"""The tool that calls another API for the user. It never passes on the caller's token."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

import httpx2
import pytest
from mcp.server.mcpserver import MCPServer

from gatehouse_example.tools.calendar import CalendarTools
from gatehouse_server.auth.provider.token_exchange import ExchangeFailed, TokenExchange
from tests.server.protected_server import ask, protected
from tests.server.token_issuer import Issuer

pytestmark = [pytest.mark.anyio, pytest.mark.requirement("S17")]

AUDIENCE = "https://calendar.example.com/"


@dataclass
class Backends:
    """The tenant's token endpoint and the calendar API. Records the requests."""

    exchanges: list[httpx2.Request] = field(default_factory=list)
    calls: list[httpx2.Request] = field(default_factory=list)
    exchanged: httpx2.Response = field(
        default_factory=lambda: httpx2.Response(200, json={"access_token": "for-the-calendar", "expires_in": 600})
    )
    events: httpx2.Response = field(
        default_factory=lambda: httpx2.Response(200, json={"owner": "alice", "read_by": "server", "events": []})
    )

    def exchange(self, request: httpx2.Request) -> httpx2.Response:
        self.exchanges.append(request)
        return self.exchanged

    def calendar(self, request: httpx2.Request) -> httpx2.Response:
        self.calls.append(request)
        return self.events


@asynccontextmanager
async def calendar_server(backends: Backends, issuer: Issuer) -> AsyncIterator[httpx2.AsyncClient]:
    tenant = httpx2.AsyncClient(transport=httpx2.MockTransport(backends.exchange))
    calendar = httpx2.AsyncClient(transport=httpx2.MockTransport(backends.calendar))
    mcp = MCPServer("calendar")
    exchange = TokenExchange("https://tenant.example.com/oauth/token", "server", "secret", http=tenant)
    CalendarTools(exchange, calendar, "https://calendar.example.com/events", AUDIENCE).register(mcp)
    async with tenant, calendar, protected(mcp, issuer.handle) as server:
        yield server


async def listed(server: httpx2.AsyncClient, token: str) -> dict[str, Any]:
    answer = await ask(server, token, "tools/call", {"name": "list_events"})
    assert answer.status_code == 200, answer.text
    return dict(answer.json()["result"])


async def test_the_other_api_gets_its_own_token(issuer: Issuer) -> None:
    backends, token = Backends(), issuer.token(scope="access:mcp calendar:read")
    async with calendar_server(backends, issuer) as server:
        result = await listed(server, token)
    assert result["structuredContent"]["owner"] == "alice"
    (call,), (exchange,) = backends.calls, backends.exchanges
    assert call.headers["Authorization"] == "Bearer for-the-calendar"
    assert not [part for part in token.split(".") if part in f"{call.url}{call.headers.raw!r}{call.content!r}"]
    form = parse_qs(exchange.content.decode())
    assert form["subject_token"] == [token], "only the tenant may receive it"
    assert (form["audience"], form["scope"]) == ([AUDIENCE], ["calendar:read"])
    assert "Authorization" not in exchange.headers


async def test_an_exchanged_token_is_reused_only_for_the_same_caller(issuer: Issuer) -> None:
    backends = Backends()
    async with calendar_server(backends, issuer) as server:
        tokens = [issuer.token(scope="access:mcp calendar:read", sub=f"auth0|{name}") for name in ("alice", "bob")]
        for token in (*tokens, *tokens):
            await listed(server, token)
    assert [parse_qs(each.content.decode())["subject_token"] for each in backends.exchanges] == [
        [each] for each in tokens
    ]


@pytest.mark.parametrize(
    "exchanged",
    [
        httpx2.Response(403, json={"error": "access_denied", "error_description": "not for you"}),
        httpx2.Response(200, json={"access_token": 1}),
        httpx2.Response(200, json=[]),
        httpx2.Response(502, text="<html>"),
    ],
    ids=["refused", "no token", "no object", "no JSON"],
)
async def test_without_an_exchanged_token_the_other_api_is_not_called(
    issuer: Issuer, exchanged: httpx2.Response
) -> None:
    backends, token = Backends(exchanged=exchanged), issuer.token(scope="access:mcp calendar:read")
    async with calendar_server(backends, issuer) as server:
        result = await listed(server, token)
    assert result["isError"]
    assert backends.calls == []
    assert not [part for part in token.split(".") if part in str(result)]


async def test_a_failure_of_the_other_api_is_an_error_of_the_tool(issuer: Issuer) -> None:
    for events in (httpx2.Response(500), httpx2.Response(200, json={"odd": 1}), httpx2.Response(302)):
        async with calendar_server(Backends(events=events), issuer) as server:
            result = await listed(server, issuer.token(scope="access:mcp calendar:read"))
        assert result["isError"]
        assert "for-the-calendar" not in str(result)


async def test_the_cache_of_exchanged_tokens_is_limited_in_time_and_size() -> None:
    backends, now = Backends(), [1000.0]
    async with httpx2.AsyncClient(transport=httpx2.MockTransport(backends.exchange)) as http:
        exchange = TokenExchange("https://x/", "server", "secret", http=http, clock=lambda: now[0], max_tokens=20)
        await exchange.token_for("a", AUDIENCE, "s", until=1100)
        now[0] = 1060
        await exchange.token_for("a", AUDIENCE, "s", until=1100)
        assert len(backends.exchanges) == 1
        now[0] = 1080
        await exchange.token_for("a", AUDIENCE, "s", until=1100)
        assert len(backends.exchanges) == 2
        for number in range(21):
            await exchange.token_for(f"b-{number}", AUDIENCE, "s", until=9000)
        count = len(backends.exchanges)
        await exchange.token_for("b-0", AUDIENCE, "s", until=9000)
        assert len(backends.exchanges) == count + 1


async def test_the_error_for_an_unreachable_tenant_contains_no_token() -> None:
    def down(_: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError("refused")

    async with httpx2.AsyncClient(transport=httpx2.MockTransport(down)) as http:
        with pytest.raises(ExchangeFailed, match="does not answer") as failed:
            await TokenExchange("https://x/", "server", "secret", http=http).token_for("caller", AUDIENCE, "s", until=9)
    assert "caller" not in str(failed.value)
