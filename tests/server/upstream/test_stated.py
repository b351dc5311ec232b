"""Permissions that the upstream itself states in `_meta`."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp.server.mcpserver import MCPServer
from mcp.server.transport_security import TransportSecuritySettings
from starlette.applications import Starlette

from gatehouse_server.adapters.upstream import stated
from gatehouse_server.adapters.upstream.identity import Nobody
from gatehouse_server.adapters.upstream.lists import META_KEY
from gatehouse_server.adapters.upstream.stated import ListFailed, StatedByUpstream, lists_of
from gatehouse_server.auth.gate import Refused
from gatehouse_server.auth.request import Target
from gatehouse_server.upstream import protect_upstream
from tests.server.protected_server import ask
from tests.server.token_issuer import Clock, Issuer, settings
from tests.server.upstream.guarded import UPSTREAM, client_of, gate_app, upstream_settings
from tests.server.upstream.in_process import InProcess

pytestmark = pytest.mark.anyio

KEYS = {"stateless": {"stateless_http": True, "json_response": True}, "sessions": {}}


def shop() -> MCPServer:
    """A server that states its permissions in `_meta`, and forgets one."""
    mcp = MCPServer("shop")

    async def run() -> str:
        return "done"

    for name, meta in {"open": [], "read": ["shop:read"], "wrong": "shop:read", "forgotten": None}.items():
        mcp.tool(name=name, meta=None if meta is None else {META_KEY: meta})(run)
    mcp.resource("shop://items/{item}", meta={META_KEY: ["shop:read"]})(_item)
    return mcp


async def _item(item: str) -> str:
    return item


@asynccontextmanager
async def guarded(issuer: Issuer, folder: Path, kind: str) -> AsyncIterator[tuple[MCPServer, httpx2.AsyncClient]]:
    mcp = shop()
    security = TransportSecuritySettings(enable_dns_rebinding_protection=False)
    app: Starlette = mcp.streamable_http_app(transport_security=security, **KEYS[kind])  # type: ignore[arg-type]
    gate = gate_app(InProcess(app), issuer, folder, table={"tools": {}}, UPSTREAM_META_PERMISSIONS="1")
    async with app.router.lifespan_context(app), client_of(gate) as client:
        yield mcp, client


@pytest.mark.parametrize("kind", KEYS)
async def test_the_upstreams_statement_decides_without_a_list_by_the_caller(
    issuer: Issuer, tmp_path: Path, kind: str
) -> None:
    async with guarded(issuer, tmp_path, kind) as (_, gate):
        for name, status, needs in (("read", 403, "shop:read"), ("wrong", 403, ""), ("forgotten", 403, "")):
            answer = await ask(gate, issuer.token(), "tools/call", {"name": name})
            assert answer.status_code == status
            assert needs in answer.headers.get("www-authenticate", "")
        assert "does not offer the tool" in answer.text
        item = await ask(gate, issuer.token(), "resources/read", {"uri": "shop://items/1"})
        assert 'scope="access:mcp shop:read"' in item.headers["www-authenticate"]
        if kind == "stateless":
            granted = issuer.token(scope="access:mcp shop:read")
            answer = await ask(gate, granted, "tools/call", {"name": "read", "arguments": {}})
            assert answer.json()["result"]["content"][0]["text"] == "done"
            listed = await ask(gate, issuer.token(permissions=["access:mcp"]), "tools/list")
            assert [tool["name"] for tool in listed.json()["result"]["tools"]] == ["open"]
            metadata = await gate.get("/.well-known/oauth-protected-resource")
            assert metadata.json()["scopes_supported"] == ["access:mcp", "shop:read"]


async def test_a_tool_that_is_added_later_is_found(
    issuer: Issuer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stated, "UNKNOWN_SECONDS", 0.0)
    async with guarded(issuer, tmp_path, "stateless") as (mcp, gate):
        assert (await ask(gate, issuer.token(), "tools/call", {"name": "late"})).status_code == 403
        mcp.tool(name="late", meta={META_KEY: []})(_item)
        listed = await ask(gate, issuer.token(permissions=["access:mcp"]), "tools/list")
        assert [tool["name"] for tool in listed.json()["result"]["tools"]] == ["open", "late"]
        called = await ask(gate, issuer.token(), "tools/call", {"name": "late", "arguments": {"item": "x"}})
        assert called.status_code == 200


class Listed:
    """Lists that a test sets."""

    def __init__(self) -> None:
        self.entries: list[tuple[Target, Mapping[str, Any]]] | None = [(("tool", "a"), {META_KEY: ["p:a"]})]
        self.count = 0

    async def __call__(self) -> list[tuple[Target, Mapping[str, Any]]]:
        self.count += 1
        if self.entries is None:
            raise ListFailed("down")
        return self.entries


def call(name: str) -> list[Target]:
    return [("tool", name)]


async def test_a_list_counts_for_a_short_time_and_longer_if_the_upstream_is_down() -> None:
    listed, clock = Listed(), Clock()
    source = StatedByUpstream(listed, clock=clock)
    for at, count in ((0, 1), (29, 1), (31, 2), (60, 2)):
        clock.now = 1000 + at
        await source.prepare(call("a"))
        assert (listed.count, source.needed(("tool", "a"))) == (count, {"p:a"}), at
    listed.entries = None
    clock.now += 500
    await source.prepare(call("a"))
    assert source.needed(("tool", "a")) == {"p:a"}
    clock.now += 500
    for _ in range(2):
        with pytest.raises(Refused) as refused:
            await source.prepare(call("a"))
        assert (refused.value.reason, refused.value.response.status_code) == ("permissions_unavailable", 503)


async def test_unknown_names_do_not_make_the_gate_list_each_time() -> None:
    listed, clock = Listed(), Clock()
    source = StatedByUpstream(listed, clock=clock)
    for number in range(50):
        await source.prepare(call(f"x{number}"))
    assert listed.count == 1
    clock.now += stated.UNKNOWN_SECONDS
    await source.prepare(call("x"))
    assert listed.count == 2


@pytest.mark.parametrize("meta", [{}, {META_KEY: "p"}, {META_KEY: ["a b"]}, {META_KEY: [1]}, {META_KEY: None}])
async def test_a_statement_that_is_none_opens_nothing(meta: Mapping[str, Any]) -> None:
    listed = Listed()
    listed.entries = [(("tool", "a"), meta), (("tool", "*"), {META_KEY: []})]
    source = StatedByUpstream(listed)
    await source.prepare(call("a"))
    assert source.needed(("tool", "a")) is None
    assert source.needed(("tool", "*")) is None


def answering(request: httpx2.Request) -> httpx2.Response:
    """A server of the revision 2026-07-28 whose list never ends."""
    message = json.loads(request.content)
    common = {"resultType": "complete", "ttlMs": 0, "cacheScope": "private"}
    results: dict[str, Any] = {
        "server/discover": {
            "supportedVersions": ["2026-07-28"],
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "x", "version": "1"},
            **common,
        },
        "tools/list": {
            "tools": [],
            "nextCursor": "again",
            **common,
        },
    }
    return httpx2.Response(200, json={"jsonrpc": "2.0", "id": message["id"], "result": results[message["method"]]})


UPSTREAMS = {
    "lists without end": answering,
    "redirects": lambda _: httpx2.Response(307, headers={"Location": UPSTREAM}),
    "refuses": lambda _: httpx2.Response(401),
    "answers too much": lambda _: httpx2.Response(
        200, headers={"Content-Type": "application/json"}, content=b"[" + b" " * stated.MAX_ANSWER_BYTES
    ),
}


@pytest.mark.parametrize("name", UPSTREAMS)
async def test_an_upstream_that_gives_no_list_is_one_reason(name: str) -> None:
    with pytest.raises(ListFailed):
        await lists_of(UPSTREAM, httpx2.MockTransport(UPSTREAMS[name]), Nobody())()


async def test_the_statement_of_the_upstream_can_be_the_only_one(issuer: Issuer) -> None:
    app = protect_upstream(settings(), upstream_settings(UPSTREAM_META_PERMISSIONS="1"))
    assert app.routes
