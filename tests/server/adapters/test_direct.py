"""What a handler does, and what a client sends, has the same result directly and through the SDK's own HTTP entry."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import httpx2
import pytest
from mcp.server.lowlevel.server import Server
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.runner import aclose_shielded
from mcp.shared.exceptions import MCPError
from pydantic import Field

from gatehouse_server.adapters import direct, sdk
from tests.server.protected_server import ERAS, Era, ask, headers_of, message, protected
from tests.server.token_issuer import Issuer

pytestmark = pytest.mark.anyio


def busy() -> MCPServer:
    """Tools that use everything that a request offers."""
    mcp = MCPServer("busy", log_level="CRITICAL")

    @mcp.tool()
    async def log(ctx: Context) -> str:
        await ctx.info("a line")
        await ctx.report_progress(1, 2)
        return "logged"

    @mcp.tool()
    async def question(ctx: Context) -> str:
        await ctx.session.send_ping()
        return "asked"

    @mcp.tool()
    async def request(ctx: Context) -> dict[str, Any]:
        http = ctx.request_context.request
        return {
            "body": json.loads(await http.body())["method"],
            "agent": http.headers["user-agent"],
            "path": http.url.path,
        }

    @mcp.tool()
    async def wrong() -> str:
        raise ToolError("on purpose")

    @mcp.tool()
    async def crash() -> str:
        raise RuntimeError("internal")

    @mcp.tool()
    async def protocol_error() -> str:
        raise MCPError(-32099, "own error", {"x": 1})

    @mcp.tool()
    async def values() -> dict[str, Any]:
        return {"text": "日本 \u2028 \x00", "none": None, "big": 2**70, "float": 1e300, "list": [None, {}]}

    @mcp.tool()
    async def region(name: Annotated[str, Field(json_schema_extra={"x-mcp-header": "Region"})]) -> str:
        return name

    return mcp


class Recorded(sdk.DirectEntry):
    """Notes which requests it answers."""

    answers: list[bool]

    async def answer(self, *arguments: Any) -> bool:
        done = await super().answer(*arguments)
        Recorded.answers.append(done)
        return done


class Never(sdk.DirectEntry):
    """Leaves every request to the SDK's entry."""

    async def answer(self, *_: Any) -> bool:
        return False


@asynccontextmanager
async def both(server: Any, issuer: Issuer) -> AsyncIterator[tuple[httpx2.AsyncClient, httpx2.AsyncClient]]:
    """The server with the direct way, and only with the SDK's entry."""
    Recorded.answers = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sdk, "DirectEntry", Recorded)
        async with protected(server, issuer.handle) as one:
            patch.setattr(sdk, "DirectEntry", Never)
            async with protected(server, issuer.handle) as other:
                yield one, other


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize(
    "tool", ["log", "question", "request", "wrong", "crash", "protocol_error", "values", "region", "unknown"]
)
async def test_a_tool_has_the_same_answer(era: Era, tool: str, issuer: Issuer) -> None:
    arguments = {"name": "here"} if tool == "region" else {}
    headers = {"Mcp-Param-Region": "here"} if tool == "region" else {}
    async with both(busy(), issuer) as servers:
        answers = [
            await ask(server, issuer.token(), "tools/call", {"name": tool, "arguments": arguments}, era=era, **headers)
            for server in servers
        ]
    first, second = ((answer.status_code, answer.headers["content-type"], answer.json()) for answer in answers)
    assert first == second
    assert Recorded.answers == [True]


@pytest.mark.parametrize("era", ERAS)
async def test_a_handler_that_fails_has_the_same_answer(era: Era, issuer: Issuer) -> None:
    async def fail(ctx: Any, params: Any) -> Any:
        raise RuntimeError("broken")

    async with both(Server("broken", on_list_prompts=fail), issuer) as servers:
        answers = [await ask(each, issuer.token(), "prompts/list", era=era) for each in servers]
    assert (answers[0].status_code, answers[0].json()) == (answers[1].status_code, answers[1].json())
    assert Recorded.answers == [True]


LEFT_TO_THE_SDK: dict[str, tuple[Era, dict[str, str]]] = {
    "another Mcp-Name": ("modern", {"Mcp-Name": "log"}),
    "another Mcp-Method": ("modern", {"Mcp-Method": "tools/list"}),
    "a header of an argument with another value": ("modern", {"Mcp-Param-Region": "there"}),
    "no header of a marked argument": ("modern", {}),
    "a revision that nobody knows": ("modern", {"MCP-Protocol-Version": "2099-01-01"}),
    "a host of somebody else": ("legacy", {"Host": "evil.example.com"}),
    "an origin of somebody else": ("legacy", {"Origin": "https://evil.example.com"}),
    "another content type": ("legacy", {"Content-Type": "text/plain"}),
    "a client that does not accept JSON": ("legacy", {"Accept": "text/html"}),
}


@pytest.mark.parametrize("case", LEFT_TO_THE_SDK)
async def test_what_the_sdk_refuses_is_left_to_it(case: str, issuer: Issuer) -> None:
    era, headers = LEFT_TO_THE_SDK[case]
    body = message("tools/call", {"name": "region", "arguments": {"name": "here"}}, era)
    async with both(busy(), issuer) as servers:
        answers = [
            await server.post("/mcp", headers={**headers_of(body, era, issuer.token()), **headers}, json=body)
            for server in servers
        ]
    assert answers[0].status_code == answers[1].status_code >= 400
    assert answers[0].content == answers[1].content
    assert Recorded.answers == [False]


@pytest.mark.parametrize("name", ["Mcp-Name", "Mcp-Param-Region", "Host", "Content-Type", "Accept"])
async def test_a_header_that_is_there_twice_is_left_to_the_sdk(name: str, issuer: Issuer) -> None:
    body = message("tools/call", {"name": "region", "arguments": {"name": "here"}}, "modern")
    headers = {**headers_of(body, "modern", issuer.token()), "Mcp-Param-Region": "here", "Host": "localhost:5555"}
    headers["Content-Type"] = "application/json"
    twice = [*headers.items(), (name, headers[name])]
    async with both(busy(), issuer) as servers:
        for server in servers:
            await server.post("/mcp", headers=twice, content=json.dumps(body))
    assert Recorded.answers == [False]


@pytest.mark.parametrize("era", ERAS)
async def test_a_browser_of_a_known_origin_is_served_by_the_sdk(era: Era, issuer: Issuer) -> None:
    async with both(busy(), issuer) as (server, _):
        answer = await ask(server, issuer.token(), "tools/list", era=era, Origin="http://localhost:5555")
    assert (answer.status_code, Recorded.answers) == (200, [False])


@pytest.mark.parametrize("fails", [False, True])
async def test_what_a_handler_leaves_on_the_connection_is_cleaned_up(fails: bool, issuer: Issuer) -> None:
    cleaned, closed = [], []
    mcp = MCPServer("cleaned", log_level="CRITICAL")

    @mcp.tool()
    async def leave(ctx: Context) -> str:
        ctx.session._connection.exit_stack.callback(cleaned.append, 1)
        if fails:
            raise MCPError(-32000, "failed")
        return "left"

    @mcp.tool()
    async def nothing() -> str:
        return "nothing"

    async def counted(connection: Any) -> None:
        closed.append(connection)
        await aclose_shielded(connection)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(direct, "aclose_shielded", counted)
        async with protected(mcp, issuer.handle) as server:
            await ask(server, issuer.token(), "tools/call", {"name": "leave"}, era="modern")
            await ask(server, issuer.token(), "tools/call", {"name": "nothing"}, era="modern")
    assert (cleaned, len(closed)) == ([1], 1)
