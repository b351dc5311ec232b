"""Every kind of server behind the gate: lists, calls, step-up, refusals, resources, prompts and sessions."""

from __future__ import annotations

import json
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path
from typing import Any

import httpx2
import pytest

from gatehouse_server.adapters.asgi import lifespan_of
from gatehouse_server.auth.permissions import META_KEY
from tests.server.adapters.hosts import HOSTS, IN_META, NEEDED, READ, WITH_SESSIONS, WRITE, Host
from tests.server.protected_server import ERAS, Era, ask, protected
from tests.server.token_issuer import Issuer
from tests.server.upstream.guarded import client_of, gate_app
from tests.server.upstream.in_process import InProcess

pytestmark = pytest.mark.anyio

BASE = "access:mcp"
LISTS = {
    "tools/list": ("tools", "name"),
    "prompts/list": ("prompts", "name"),
    "resources/list": ("resources", "uri"),
    "resources/templates/list": ("resourceTemplates", "uriTemplate"),
}
# Method, parameters, what it needs, and a text in the answer.
USES: dict[str, tuple[str, dict[str, Any], set[str], str]] = {
    "an open tool": ("tools/call", {"name": "look", "arguments": {}}, set(), "looked"),
    "a tool": ("tools/call", {"name": "sell", "arguments": {"thing": "a hat"}}, {WRITE}, "sold a hat"),
    "a resource": ("resources/read", {"uri": "shop://stock"}, {READ}, "in stock"),
    "a template": ("resources/read", {"uri": "shop://shelf/7"}, {READ, WRITE}, "shelf 7"),
    "a prompt": ("prompts/get", {"name": "advise"}, {READ}, "advice"),
}

hosts = pytest.mark.parametrize("host", HOSTS.values(), ids=HOSTS)
eras = pytest.mark.parametrize("era", ERAS)


@asynccontextmanager
async def served(host: Host, issuer: Issuer, *, sessions: bool = False) -> AsyncIterator[httpx2.AsyncClient]:
    server = host.build()
    if host.upstream is None:
        async with protected(server, issuer.handle, permissions=host.permissions, sessions=sessions) as client:
            yield client
        return
    table = NEEDED if host.permissions else {}
    with tempfile.TemporaryDirectory() as folder:
        transport = InProcess(server) if server else None
        gate = gate_app(transport, issuer, Path(folder), table=table, **host.upstream)
        async with lifespan_of(server) if server else nullcontext(), client_of(gate) as client:
            yield client


def result_of(answer: httpx2.Response) -> dict[str, Any]:
    """The result in an answer of plain JSON or of an event stream."""
    assert answer.status_code == 200, answer.text
    text = answer.text
    if answer.headers["content-type"].startswith("text/event-stream"):
        text = next(line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: {"))
    message = json.loads(text)
    assert "result" in message, message
    return message["result"]  # type: ignore[no-any-return]


@hosts
@eras
async def test_a_list_has_what_the_caller_could_use_with_its_permissions(host: Host, era: Era, issuer: Issuer) -> None:
    listed = {}
    async with served(host, issuer) as server:
        token = issuer.token(scope=BASE, permissions=[BASE, READ])
        for method, (member, name) in LISTS.items():
            for entry in result_of(await ask(server, token, method, era=era))[member]:
                listed[entry[name]] = entry.get("_meta", {}).get(META_KEY, [])
    assert listed == {name: needed for name, needed in IN_META.items() if WRITE not in needed}


@hosts
@eras
async def test_everything_is_listed_if_the_token_does_not_say_what_the_caller_could_get(
    host: Host, era: Era, issuer: Issuer
) -> None:
    async with served(host, issuer) as server:
        answers = {method: result_of(await ask(server, issuer.token(), method, era=era)) for method in LISTS}
    assert {entry[LISTS[m][1]] for m, result in answers.items() for entry in result[LISTS[m][0]]} == set(IN_META)


@hosts
@eras
@pytest.mark.parametrize("use", USES)
async def test_a_caller_with_the_permissions_is_served(host: Host, era: Era, use: str, issuer: Issuer) -> None:
    method, params, needed, text = USES[use]
    async with served(host, issuer) as server:
        answer = await ask(server, issuer.token(scope=" ".join({BASE, *needed})), method, params, era=era)
    assert text in json.dumps(result_of(answer))


@pytest.mark.requirement("S10")
@pytest.mark.requirement("S11")
@hosts
@eras
@pytest.mark.parametrize("use", [use for use, (_, _, needed, _) in USES.items() if needed])
async def test_a_caller_without_a_permission_is_told_what_to_ask_for(
    host: Host, era: Era, use: str, issuer: Issuer
) -> None:
    method, params, needed, _ = USES[use]
    async with served(host, issuer) as server:
        for granted in ({BASE}, {BASE, *sorted(needed)[1:]}):
            refusal = await ask(server, issuer.token(scope=" ".join(granted)), method, params, era=era)
            assert refusal.status_code == 403
            assert f'scope="{" ".join(sorted({BASE, *needed}))}"' in refusal.headers["WWW-Authenticate"]


@hosts
@pytest.mark.parametrize("use", USES)
async def test_a_caller_without_a_token_or_with_an_expired_one_is_refused(host: Host, use: str, issuer: Issuer) -> None:
    method, params, _, _ = USES[use]
    async with served(host, issuer) as server:
        for token in (None, issuer.token(iat=1, exp=2)):
            assert (await ask(server, token, method, params)).status_code == 401


@hosts
async def test_only_known_hosts_and_origins_are_served(host: Host, issuer: Issuer) -> None:
    async with served(host, issuer) as server:
        assert (await ask(server, issuer.token(), Host="evil.example.com")).status_code == 421
        assert (await ask(server, issuer.token(), Origin="https://evil.example.com")).status_code == 403


TABLED = {name: host for name, host in HOSTS.items() if host.permissions}


@pytest.mark.parametrize("host", TABLED.values(), ids=TABLED)
@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("tools/call", {"name": "unknown", "arguments": {}}),
        ("tools/call", {"name": "SELL", "arguments": {}}),
        ("resources/read", {"uri": "shop://safe"}),
        ("prompts/get", {"name": "sell"}),
    ],
    ids=str,
)
async def test_with_a_table_what_it_does_not_name_is_refused(
    host: Host, method: str, params: dict[str, Any], issuer: Issuer
) -> None:
    async with served(host, issuer) as server:
        refusal = await ask(server, issuer.token(scope=f"{BASE} {READ} {WRITE}"), method, params)
    assert (refusal.status_code, "WWW-Authenticate" in refusal.headers) == (403, False)
    assert "does not offer" in refusal.json()["error"]["message"]


INITIALIZE = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "0"}}


@pytest.mark.requirement("S27")
@pytest.mark.parametrize("host", WITH_SESSIONS.values(), ids=WITH_SESSIONS)
async def test_a_session_only_works_for_the_caller_that_opened_it(host: Host, issuer: Issuer) -> None:
    alice, bob = issuer.token(), issuer.token(sub="auth0|bob")
    async with served(host, issuer, sessions=True) as server:
        opened = await ask(server, alice, "initialize", INITIALIZE)
        assert opened.status_code == 200, opened.text
        session = {"MCP_Session_Id": opened.headers["mcp-session-id"]}
        await server.post(
            "/mcp",
            headers={
                "Authorization": f"Bearer {alice}",
                "Accept": "application/json, text/event-stream",
                "MCP-Session-Id": session["MCP_Session_Id"],
            },
            json={"jsonrpc": "2.0", "method": "notifications/initialized"},
        )
        assert result_of(await ask(server, alice, "tools/call", {"name": "look", "arguments": {}}, **session))
        assert (await ask(server, bob, "tools/list", **session)).status_code == 404
        assert (await ask(server, issuer.token(azp="other"), "tools/list", **session)).status_code == 404
        assert (await ask(server, alice, "tools/list", MCP_Session_Id="0" * 32)).status_code == 404
        stolen = {"Authorization": f"Bearer {bob}", "MCP-Session-Id": session["MCP_Session_Id"]}
        assert (await server.delete("/mcp", headers=stolen)).status_code == 404
        closed = await server.delete("/mcp", headers={**stolen, "Authorization": f"Bearer {alice}"})
        assert closed.status_code == 200, closed.text
        assert (await ask(server, alice, "tools/list", **session)).status_code == 404


@pytest.mark.parametrize("name", ["MCPServer", "low-level Server", "FastMCP"])
@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_without_sessions_there_is_no_stream_to_open_and_nothing_to_delete(
    name: str, method: str, issuer: Issuer
) -> None:
    headers = {"Accept": "text/event-stream", "Authorization": f"Bearer {issuer.token()}"}
    async with served(HOSTS[name], issuer) as server:
        answer = await server.request(method, "/mcp", headers=headers)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
