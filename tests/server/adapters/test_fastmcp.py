"""FastMCP's own features behind the gate: mounts, transforms, versions, nested calls, and its view of the caller."""

from __future__ import annotations

from typing import Any

import pytest
from fastmcp import Client, Context, FastMCP
from fastmcp.server.auth import AccessToken, StaticTokenVerifier
from fastmcp.server.dependencies import get_access_token, get_http_request
from fastmcp.server.middleware.tool_injection import ToolInjectionMiddleware
from fastmcp.server.transforms.search import RegexSearchTransform
from fastmcp.tools import Tool
from fastmcp.utilities.versions import VersionSpec
from starlette.requests import Request
from starlette.responses import PlainTextResponse

from gatehouse_server.app import protect
from gatehouse_server.auth.permissions import META_KEY, requires
from tests.server.adapters.hosts import READ, WRITE, fastmcp
from tests.server.adapters.test_hosts import BASE, result_of
from tests.server.protected_server import ERAS, Era, ask, message, protected
from tests.server.token_issuer import Issuer, settings

pytestmark = pytest.mark.anyio


def call(name: str, /, **arguments: Any) -> tuple[str, dict[str, Any]]:
    return "tools/call", {"name": name, "arguments": arguments}


async def statuses(mcp: FastMCP[Any], issuer: Issuer, method: str, params: dict[str, Any]) -> tuple[int, int]:
    """The status for a caller with only the base permission, and for one with all."""
    async with protected(mcp, issuer.handle) as server:
        without = await ask(server, issuer.token(), method, params)
        granted = await ask(server, issuer.token(scope=f"{BASE} {READ} {WRITE}"), method, params)
    return without.status_code, granted.status_code


async def test_a_mounted_server_with_a_prefix_keeps_its_permissions(issuer: Issuer) -> None:
    outer: FastMCP[Any] = FastMCP("outer")
    outer.mount(fastmcp(), namespace="inner")
    assert await statuses(outer, issuer, *call("inner_look")) == (200, 200)
    assert await statuses(outer, issuer, *call("inner_sell")) == (403, 200)
    assert await statuses(outer, issuer, "prompts/get", {"name": "inner_advise"}) == (403, 200)
    assert await statuses(outer, issuer, "resources/read", {"uri": "shop://inner/stock"}) == (403, 200)
    assert await statuses(outer, issuer, "resources/read", {"uri": "shop://inner/shelf/7"}) == (403, 200)


async def test_a_server_that_is_mounted_twice_deep_keeps_its_permissions(issuer: Issuer) -> None:
    middle: FastMCP[Any] = FastMCP("middle")
    middle.mount(fastmcp(), namespace="shop")
    outer: FastMCP[Any] = FastMCP("outer")
    outer.mount(middle, namespace="mall")
    assert await statuses(outer, issuer, *call("mall_shop_sell")) == (403, 200)


async def test_a_transformed_tool_keeps_the_permissions_of_its_origin(issuer: Issuer) -> None:
    mcp = fastmcp()
    sell = await mcp.get_tool("sell")
    assert sell is not None
    mcp.add_tool(Tool.from_tool(sell, name="give"))
    assert await statuses(mcp, issuer, *call("give")) == (403, 200)


async def test_each_version_of_a_tool_has_its_own_permissions(issuer: Issuer) -> None:
    mcp: FastMCP[Any] = FastMCP("shop")

    @mcp.tool(name="count", version="1")
    @requires(WRITE)
    async def first() -> str:
        return "first"

    @mcp.tool(name="count", version="2")
    async def second() -> str:
        return "second"

    old = {"name": "count", "arguments": {}, "_meta": {"fastmcp": {"version": "1"}}}
    assert await statuses(mcp, issuer, *call("count")) == (200, 200)
    assert await statuses(mcp, issuer, "tools/call", old) == (403, 200)


async def test_a_permission_in_the_meta_of_a_tool_counts(issuer: Issuer) -> None:
    mcp: FastMCP[Any] = FastMCP("shop")
    mcp.tool(name="restock", meta={META_KEY: [WRITE]})(lambda: "restocked")
    assert await statuses(mcp, issuer, *call("restock")) == (403, 200)


async def test_the_order_of_the_decorators_does_not_matter(issuer: Issuer) -> None:
    mcp: FastMCP[Any] = FastMCP("shop")

    @requires(WRITE)
    @mcp.tool
    async def above() -> str:
        return "above"

    @requires(READ)
    @mcp.resource("shop://above")
    async def resource() -> str:
        return "above"

    @requires(READ)
    @mcp.prompt
    async def prompt() -> str:
        return "above"

    assert await statuses(mcp, issuer, *call("above")) == (403, 200)
    assert await statuses(mcp, issuer, "resources/read", {"uri": "shop://above"}) == (403, 200)
    assert await statuses(mcp, issuer, "prompts/get", {"name": "prompt"}) == (403, 200)


async def test_the_permissions_are_those_of_the_tool_that_an_injected_one_or_another_version_replaces(
    issuer: Issuer,
) -> None:
    mcp = fastmcp()

    @requires(WRITE)
    async def look() -> str:
        return "injected"

    mcp.add_middleware(ToolInjectionMiddleware([Tool.from_function(look)]))
    assert await statuses(mcp, issuer, *call("look")) == (403, 200)
    versioned: FastMCP[Any] = FastMCP("shop")
    versioned.tool(name="count", version="1")(look)
    versioned.tool(name="count", version="2")(lambda: "open")
    versioned.local_provider.disable(version=VersionSpec(eq="2"))
    assert await statuses(versioned, issuer, *call("count")) == (403, 200)


async def test_a_tool_that_is_added_or_removed_later_counts(issuer: Issuer) -> None:
    mcp = fastmcp()
    granted = f"{BASE} {WRITE}"
    async with protected(mcp, issuer.handle) as server:
        mcp.tool(name="late")(requires(WRITE)(lambda: "late"))
        refused = await ask(server, issuer.token(), *call("late"))
        served = await ask(server, issuer.token(scope=granted), *call("late"))
        mcp.local_provider.remove_tool("late")
        gone = await ask(server, issuer.token(scope=granted), *call("late"))
    assert (refused.status_code, served.status_code) == (403, 200)
    assert "Unknown tool" in gone.text


@pytest.mark.requirement("S11")
async def test_a_version_that_only_a_session_sees_needs_its_own_permissions(issuer: Issuer) -> None:
    mcp: FastMCP[Any] = FastMCP("shop")
    mcp.tool(name="count", version="1")(requires(WRITE)(lambda: "first"))
    mcp.tool(name="count", version="2")(lambda: "second")

    @mcp.tool
    async def hide(ctx: Context) -> str:
        await ctx.disable_components(names={"count"}, version=VersionSpec(eq="2"))
        return "hidden"

    async with protected(mcp, issuer.handle) as server:
        assert "hidden" in (await ask(server, issuer.token(), *call("hide"), era="modern")).text
        answer = await ask(server, issuer.token(), *call("count"), era="modern")
        granted = await ask(server, issuer.token(scope=f"{BASE} {WRITE}"), *call("count"), era="modern")
    assert "first" not in answer.text
    assert "first" in granted.text


@pytest.mark.requirement("S11")
@pytest.mark.parametrize("era", ERAS)
async def test_what_only_a_session_sees_needs_its_permissions(era: Era, issuer: Issuer) -> None:
    mcp = fastmcp()
    mcp.disable(names={"sell", "advise", "shop://stock", "shop://shelf/{number}"})

    @mcp.tool
    async def show(ctx: Context) -> str:
        await ctx.enable_components(names={"sell", "advise", "shop://stock", "shop://shelf/{number}"})
        return "shown"

    uses = [
        call("sell"),
        ("prompts/get", {"name": "advise"}),
        ("resources/read", {"uri": "shop://stock"}),
        ("resources/read", {"uri": "shop://shelf/7"}),
    ]
    async with protected(mcp, issuer.handle) as server:
        await ask(server, issuer.token(), *call("show"), era=era)
        for use in uses:
            assert (await ask(server, issuer.token(), *use, era=era)).status_code == 403, use


@pytest.mark.requirement("S11")
async def test_a_tool_that_calls_other_tools_by_name_needs_their_permissions(issuer: Issuer) -> None:
    mcp = fastmcp()
    mcp.add_transform(RegexSearchTransform())
    nested = call("call_tool", name="sell", arguments={"thing": "a hat"})
    async with protected(mcp, issuer.handle) as server:
        refused = result_of(await ask(server, issuer.token(), *nested))
        sold = result_of(await ask(server, issuer.token(scope=f"{BASE} {WRITE}"), *nested))
    assert refused["isError"], refused
    assert "lacks a permission" in refused["content"][0]["text"]
    assert "sold a hat" in str(sold)


async def test_the_given_server_itself_stays_as_it_is(issuer: Issuer) -> None:
    mcp = fastmcp()
    middleware = list(mcp.middleware)
    async with protected(mcp, issuer.handle) as server:
        assert (await ask(server, issuer.token(), *call("sell"))).status_code == 403
        async with Client(mcp) as directly:
            assert (await directly.call_tool("sell", {"thing": "a hat"})).data == "sold a hat"
    assert mcp.middleware == middleware


async def test_a_tool_sees_the_caller_and_the_request_as_fastmcp_gives_them(issuer: Issuer) -> None:
    mcp: FastMCP[Any] = FastMCP("shop")
    tokens: list[AccessToken] = []

    @mcp.tool
    async def who() -> str:
        token = get_access_token()
        assert type(token) is AccessToken
        tokens.append(token)
        assert token.claims["sub"] == token.subject
        return f"{token.subject} {get_http_request().headers['x-seen']}"

    async with protected(mcp, issuer.handle) as server:
        own, others = issuer.token(), issuer.token(sub="auth0|bob")
        answers = [await ask(server, token, *call("who"), X_Seen="yes") for token in (own, own, others)]
    assert ["auth0|alice yes" in str(result_of(answer)) for answer in answers] == [True, True, False]
    assert tokens[0] is tokens[1], "converted once"
    assert tokens[2].subject == "auth0|bob"


async def test_a_custom_route_is_behind_the_gate(issuer: Issuer) -> None:
    mcp = fastmcp()

    @mcp.custom_route("/admin", methods=["GET"])
    async def admin(_: Request) -> PlainTextResponse:
        return PlainTextResponse("inside")

    async with protected(mcp, issuer.handle) as server:
        assert (await server.get("/admin")).status_code == 401
        inside = await server.get("/admin", headers={"Authorization": f"Bearer {issuer.token()}"})
    assert inside.text == "inside"


async def test_progress_reaches_the_client_that_asks_for_it(issuer: Issuer) -> None:
    mcp: FastMCP[Any] = FastMCP("shop")

    @mcp.tool
    async def slow(ctx: Any) -> str:
        return "done"

    body = message("tools/call", {"name": "slow", "arguments": {"ctx": 1}, "_meta": {"progressToken": 7}})
    async with protected(mcp, issuer.handle) as server:
        headers = {"Authorization": f"Bearer {issuer.token()}", "MCP-Protocol-Version": "2025-11-25"}
        answer = await server.post("/mcp", headers=headers, json=body)
    assert answer.headers["content-type"].startswith("text/event-stream")


async def test_a_server_with_its_own_authorization_is_refused() -> None:
    mcp: FastMCP[Any] = FastMCP("shop", auth=StaticTokenVerifier({"token": {"client_id": "x", "scopes": []}}))
    with pytest.raises(ValueError, match="has auth="):
        protect(mcp, settings())
