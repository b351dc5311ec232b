"""The example tools, as a client sees them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import httpx2
import pytest
from mcp.server.mcpserver.exceptions import ToolError

from gatehouse_example.tools.calendar import CalendarTools
from gatehouse_example.tools.identity import whoami
from gatehouse_server import TokenExchange
from tests.server.token_issuer import Issuer

pytestmark = pytest.mark.anyio
HEADERS = {"Accept": "application/json, text/event-stream", "MCP-Protocol-Version": "2025-11-25"}


async def call(server: httpx2.AsyncClient, issuer: Issuer, name: str, **arguments: Any) -> dict[str, Any]:
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": name, "arguments": arguments}}
    answer = await server.post("/mcp", headers={**HEADERS, "Authorization": f"Bearer {issuer.token()}"}, json=body)
    assert answer.status_code == 200, answer.text
    return dict(answer.json()["result"])


@pytest.mark.parametrize(
    "arguments", [{}, {"timezone": None}, {"timezone": "UTC"}, {"timezone": "Europe/Paris"}], ids=str
)
async def test_the_time_has_its_zone(server: httpx2.AsyncClient, issuer: Issuer, arguments: dict[str, Any]) -> None:
    result = (await call(server, issuer, "get_time", **arguments))["structuredContent"]
    moment = datetime.fromisoformat(result["time"])
    assert abs(datetime.now(moment.tzinfo) - moment).total_seconds() < 60
    assert result["timezone"] == (arguments.get("timezone") or result["timezone"])
    assert result["weekday"] == moment.strftime("%A")


@pytest.mark.parametrize(
    "name", ["Asia/Tokio", "../../etc/passwd", "/etc/passwd", "America", "", "x" * 10_000, "Asia/Tokyo\x00"]
)
async def test_an_unknown_zone_is_named_in_the_error(server: httpx2.AsyncClient, issuer: Issuer, name: str) -> None:
    result = await call(server, issuer, "get_time", timezone=name)
    if name:
        assert result["isError"]
        assert "is not an IANA time zone" in result["content"][0]["text"]
        assert len(result["content"][0]["text"]) < 400
    else:
        assert not result["isError"], "an empty text is what models send for no value"


async def test_whoami_returns_the_claims_of_the_token(server: httpx2.AsyncClient, issuer: Issuer) -> None:
    result = (await call(server, issuer, "whoami"))["structuredContent"]
    assert result["subject"] == "auth0|alice"
    assert result["client"] == "agent"
    assert result["permissions"] == ["access:mcp"]


async def test_a_tool_about_the_caller_says_that_there_is_none_without_the_gate() -> None:
    with pytest.raises(ToolError, match=r"^Nobody is signed in: this server runs without the gate\.$"):
        await whoami()
    async with httpx2.AsyncClient() as http:
        exchange = TokenExchange("https://x/", "server", "secret", http=http)
        with pytest.raises(ToolError, match=r"^Nobody is signed in: this server runs without the gate\.$"):
            await CalendarTools(exchange, http, "https://x/events", "https://x/").list_events()


async def test_a_countdown_has_no_more_steps_than_allowed(server: httpx2.AsyncClient, issuer: Issuer) -> None:
    done = await call(server, issuer, "count_down", steps=2, seconds=0)
    assert done["content"][0]["text"] == "Counted down 2 steps."
    for arguments in ({"steps": 10**9}, {"steps": -1}, {"steps": 1, "seconds": 1e9}, {"steps": 1, "seconds": -1}):
        assert (await call(server, issuer, "count_down", **arguments))["isError"]
