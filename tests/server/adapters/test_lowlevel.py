"""A low-level server that states permissions in the `_meta` of what it lists: read each time, refused if in doubt."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mcp_types as types
import pytest
from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.lowlevel.server import Server

from gatehouse_server.app import protect
from gatehouse_server.auth.permission_table import PermissionTable
from gatehouse_server.auth.permissions import META_KEY
from tests.server.adapters.hosts import IN_META, READ, WRITE, lowlevel
from tests.server.protected_server import ask, protected
from tests.server.token_issuer import Issuer, settings

pytestmark = pytest.mark.anyio

BASE = "access:mcp"


def tool(name: str, stated: object = None) -> types.Tool:
    return types.Tool(name=name, input_schema={"type": "object"}, _meta=None if stated is None else {META_KEY: stated})


def server_with(list_tools: Callable[..., Any]) -> Server[Any]:
    """A server that executes every tool name, whether it lists it or not."""

    async def call(ctx: Any, params: types.CallToolRequestParams) -> types.CallToolResult:
        return types.CallToolResult(content=[types.TextContent(text=f"did {params.name}")])

    return Server("shop", on_list_tools=list_tools, on_call_tool=call)


async def status(server: Server[Any], issuer: Issuer, name: str, scope: str = BASE, **options: Any) -> int:
    async with protected(server, issuer.handle, **options) as client:
        answer = await ask(client, issuer.token(scope=scope), "tools/call", {"name": name, "arguments": {}})
    return answer.status_code


async def test_a_name_that_the_server_does_not_list_is_refused_if_its_lists_state_permissions(issuer: Issuer) -> None:
    for name in ("SELL", "sell ", "hidden"):
        assert await status(lowlevel(IN_META), issuer, name, f"{BASE} {READ} {WRITE}") == 403
    uses = {"shop://safe": f"{BASE} {READ} {WRITE}", "shop://STOCK": BASE, "shop://st%6Fck": BASE}
    async with protected(lowlevel(IN_META), issuer.handle) as client:
        for uri, scope in uses.items():
            answer = await ask(client, issuer.token(scope=scope), "resources/read", {"uri": uri})
            assert answer.status_code == 403, uri


async def test_a_server_whose_lists_state_nothing_is_as_before(issuer: Issuer) -> None:
    assert await status(lowlevel(), issuer, "hidden") == 200


async def test_permissions_of_the_table_are_needed_also(issuer: Issuer) -> None:
    table = PermissionTable(tools={"*": READ})
    assert await status(lowlevel(IN_META), issuer, "sell", f"{BASE} {WRITE}", permissions=table) == 403
    assert await status(lowlevel(IN_META), issuer, "sell", f"{BASE} {WRITE} {READ}", permissions=table) == 200


async def test_a_change_of_the_list_counts_at_once(issuer: Issuer) -> None:
    tools = [tool("look", [])]

    async def list_tools(ctx: Any, params: Any) -> types.ListToolsResult:
        return types.ListToolsResult(tools=tools)

    async with protected(server_with(list_tools), issuer.handle) as client:
        call = ("tools/call", {"name": "sell", "arguments": {}})
        assert (await ask(client, issuer.token(), *call)).status_code == 403
        tools.append(tool("sell", []))
        assert (await ask(client, issuer.token(), *call)).status_code == 200
        tools[-1] = tool("sell", WRITE)
        assert (await ask(client, issuer.token(), *call)).status_code == 403
        assert (await ask(client, issuer.token(scope=f"{BASE} {WRITE}"), *call)).status_code == 200


async def test_all_pages_count_and_each_page_may_be_plain_json(issuer: Issuer) -> None:
    async def list_tools(ctx: Any, params: types.PaginatedRequestParams) -> dict[str, Any]:
        page = int(params.cursor or 0)
        shown = {"name": f"t{page}", "inputSchema": {"type": "object"}, "_meta": {META_KEY: [WRITE]} if page else {}}
        return {"tools": [shown], **({"nextCursor": str(page + 1)} if page < 2 else {})}

    answers = [await status(server_with(list_tools), issuer, f"t{page}") for page in (0, 1, 2, 3)]
    assert answers == [200, 403, 403, 403]


async def test_the_list_is_that_of_the_caller_and_has_the_state_of_the_lifespan(issuer: Issuer) -> None:
    async def list_tools(ctx: Any, params: Any) -> types.ListToolsResult:
        token = get_access_token()
        assert token is not None
        assert ctx.lifespan_context == {}
        assert ctx.request.headers.get("x-shop") is None
        return types.ListToolsResult(tools=[tool("look", []), *([tool("sell", [])] if WRITE in token.scopes else [])])

    assert await status(server_with(list_tools), issuer, "sell") == 403
    assert await status(server_with(list_tools), issuer, "sell", f"{BASE} {WRITE}") == 200


@pytest.mark.parametrize("stated", [7, {WRITE: True}, ["two words"], [None]], ids=str)
async def test_permissions_in_a_wrong_form_are_not_taken_for_none(
    stated: object, issuer: Issuer, caplog: pytest.LogCaptureFixture
) -> None:
    async def list_tools(ctx: Any, params: Any) -> types.ListToolsResult:
        return types.ListToolsResult(tools=[tool("sell", stated)])

    assert await status(server_with(list_tools), issuer, "sell", f"{BASE} {WRITE}") == 503
    assert "a permission or a list of permissions is valid" in caplog.text


async def test_without_a_list_nothing_is_allowed(issuer: Issuer, caplog: pytest.LogCaptureFixture) -> None:
    async def list_tools(ctx: Any, params: Any) -> types.ListToolsResult:
        raise RuntimeError("the database is away")

    assert await status(server_with(list_tools), issuer, "look") == 503
    assert "the database is away" in caplog.text


async def test_the_metadata_and_the_page_name_the_permissions(issuer: Issuer) -> None:
    async with protected(lowlevel(IN_META), issuer.handle) as client:
        document = (await client.get("/.well-known/oauth-protected-resource/mcp")).json()
    assert document["scopes_supported"] == [BASE, READ, WRITE]
    page = await protect(lowlevel(IN_META), settings()).catalogue.table()
    assert "| tool | `sell` | `access:mcp`, `shop:write` |" in page
    assert "| resource | `shop://shelf/{number}` | `access:mcp`, `shop:read`, `shop:write` |" in page
