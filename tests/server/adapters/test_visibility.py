"""The middleware inside the SDK: filtered lists, and the second check after the gate."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from mcp.client.client import Client
from mcp.server.auth.middleware.auth_context import auth_context_var
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from mcp.server.lowlevel.server import Server
from mcp.server.mcpserver import MCPServer
from mcp.server.transport_security import TransportSecuritySettings
from mcp.shared.exceptions import MCPError

from gatehouse_server.adapters import internals
from gatehouse_server.adapters.catalogue import Catalogue
from gatehouse_server.adapters.host import Guard
from gatehouse_server.adapters.lists import ListFilter
from gatehouse_server.adapters.mcpserver import MCPServerAdapter
from gatehouse_server.adapters.sdk import checked_middleware
from gatehouse_server.auth.permissions import META_KEY, Hierarchy
from gatehouse_server.auth.request import Operation
from gatehouse_server.auth.verify.profiles import PROFILES
from tests.server.protected_server import ERAS, Era, ask, protected
from tests.server.server_with_permissions import READ, WRITE, shop
from tests.server.token_issuer import Issuer, settings

pytestmark = pytest.mark.anyio

LISTS = {
    "tools/list": ("tools", "name"),
    "prompts/list": ("prompts", "name"),
    "resources/list": ("resources", "uri"),
    "resources/templates/list": ("resourceTemplates", "uriTemplate"),
}
EVERYTHING = {
    "tools/list": {"open_tool", "below_tool", "above_tool", "both_tool"},
    "prompts/list": {"below_prompt", "above_prompt"},
    "resources/list": {"shop://below", "shop://above"},
    "resources/templates/list": {"shop://below/{item}", "shop://above/{item}"},
}


async def listed(issuer: Issuer, method: str, era: Era = "legacy", **claims: Any) -> dict[str, list[str]]:
    """The names in the list, each with the permissions in its `_meta`."""
    member, name = LISTS[method]
    async with protected(shop(), issuer.handle, implies={"shop:admin": [READ, WRITE]}) as server:
        answer = await ask(server, issuer.token(**claims), method, era=era)
    assert answer.status_code == 200, answer.text
    return {entry[name]: entry.get("_meta", {}).get(META_KEY, []) for entry in answer.json()["result"][member]}


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("method", LISTS)
async def test_everything_is_listed_if_the_token_does_not_say_what_could_be_acquired(
    issuer: Issuer, method: str, era: Era
) -> None:
    assert set(await listed(issuer, method, era)) == EVERYTHING[method]


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("method", LISTS)
async def test_entries_that_the_caller_can_never_use_are_hidden(issuer: Issuer, method: str, era: Era) -> None:
    shown = await listed(issuer, method, era, permissions=["access:mcp"])
    assert set(shown) == EVERYTHING[method] & {"open_tool"}


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("method", LISTS)
async def test_entries_that_the_caller_could_use_are_listed_with_their_permissions(
    issuer: Issuer, method: str, era: Era
) -> None:
    shown = await listed(issuer, method, era, scope="access:mcp", permissions=["access:mcp", READ])
    assert set(shown) == EVERYTHING[method] - {"both_tool"}
    for name, needs in shown.items():
        assert needs == ([] if name == "open_tool" else [READ]), name


async def test_entries_that_a_broad_permission_of_the_user_implies_are_listed(issuer: Issuer) -> None:
    shown = await listed(issuer, "tools/list", permissions=["access:mcp", "shop:admin"])
    assert shown["both_tool"] == [READ, WRITE]


async def test_an_entry_keeps_its_own_meta(issuer: Issuer) -> None:
    mcp = MCPServer("shop")

    @mcp.tool(meta={"shop/shelf": 7})
    async def labelled_tool() -> str:
        return ""

    async with protected(mcp, issuer.handle, config=settings(REQUIRED_PERMISSION="base")) as server:
        answer = await ask(server, issuer.token(scope="base"))
    assert answer.json()["result"]["tools"][0]["_meta"] == {"shop/shelf": 7}


@pytest.mark.requirement("S35")
@pytest.mark.parametrize("method", LISTS)
async def test_a_list_that_depends_on_the_caller_is_private_for_caches(issuer: Issuer, method: str) -> None:
    async with protected(shop(), issuer.handle) as server:
        answer = await ask(server, issuer.token(), method, era="modern")
    assert answer.json()["result"]["cacheScope"] == "private"


@pytest.mark.requirement("S11")
async def test_the_sdk_checks_again_if_the_gate_allowed_another_operation(issuer: Issuer) -> None:
    """The gate is made to read every message as a call of `open_tool`."""
    open_call = Operation("tools/call", (("tool", "open_tool"),))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gatehouse_server.auth.gate.operation_in", lambda message: open_call)
        async with protected(shop(), issuer.handle) as server:
            answers = {
                (name, scope): await ask(server, issuer.token(scope=scope), "tools/call", {"name": name}, era="modern")
                for name in ("open_tool", "below_tool")
                for scope in ("access:mcp", f"access:mcp {READ}")
            }
    refused = {case for case, answer in answers.items() if "lacks a permission" in answer.text}
    assert refused == {("below_tool", "access:mcp")}


def without_the_gate() -> Server[Any]:
    """A server with the second check, which the test calls without the gate."""
    adapter = MCPServerAdapter(shop())
    catalogue = Catalogue(adapter, ["access:mcp"])
    lists = ListFilter(catalogue, Hierarchy(), PROFILES["auth0"])
    server = internals.lowlevel_server(shop())
    server.middleware = checked_middleware(
        server, Guard(catalogue, lists, TransportSecuritySettings(), "/mcp", sessions=False)
    )
    return server


@contextmanager
def signed_in(*scopes: str) -> Iterator[None]:
    """The context that the gate sets for the SDK."""
    token = AccessToken(token="t", client_id="agent", scopes=list(scopes), subject="auth0|alice", claims={})
    reset = auth_context_var.set(AuthenticatedUser(token))
    try:
        yield
    finally:
        auth_context_var.reset(reset)


@pytest.mark.requirement("S19")
async def test_without_the_gate_an_anonymous_caller_is_refused() -> None:
    nobody = pytest.RaisesExc(MCPError, match="Nobody is signed in")
    with pytest.RaisesGroup(nobody, flatten_subgroups=True):
        async with Client(without_the_gate()) as client:
            await client.list_tools()


@pytest.mark.requirement("S11")
async def test_without_the_gate_a_call_without_its_permission_is_refused_and_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with signed_in("access:mcp"):
        async with Client(without_the_gate()) as client:
            assert not (await client.call_tool("open_tool", {})).is_error
            with caplog.at_level(logging.ERROR), pytest.raises(MCPError, match="lacks a permission"):
                await client.call_tool("below_tool", {})
            with pytest.raises(MCPError, match="lacks a permission"):
                await client.get_prompt("above_prompt")
            with pytest.raises(MCPError, match="lacks a permission"):
                await client.read_resource("shop://above/1")
    assert "the gate let tools/call 'below_tool' pass without its permission" in caplog.messages


async def test_without_the_gate_a_call_with_its_permission_is_served() -> None:
    with signed_in("access:mcp", READ):
        async with Client(without_the_gate()) as client:
            assert not (await client.call_tool("below_tool", {})).is_error
            assert (await client.read_resource("shop://above/1")).contents
