"""Upstream mode: the suite's server scenarios through it, and in front of the TypeScript SDK's reference server
`server-everything`, over HTTP with sessions and over stdio."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import yaml
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.server.transport_security import TransportSecuritySettings
from mcp.shared.exceptions import MCPError
from starlette.types import ASGIApp

from gatehouse_server.auth.provider.keys import SigningKeys
from gatehouse_server.serving.settings import load
from gatehouse_server.serving.upstream_settings import UpstreamSettings
from gatehouse_server.upstream import protect_upstream
from tests.conformance.known_failures import SERVER
from tests.conformance.protected_server import AddToken
from tests.conformance.scenario_server import scenario_server
from tests.conformance.server_scenarios import ARGUMENTS, SESSIONS
from tests.conformance.suite import SECONDS, command, report, results_in
from tests.server.token_issuer import JWKS_URL, RESOURCE, Issuer, settings
from tests.support.free_ports import free_port
from tests.support.npm import node
from tests.support.processes import TLS, running_process, wait_for_status
from tests.support.serve_in_thread import listening_socket, serve_in_thread

EVERYTHING: dict[str, Any] = {"tools": {"*": []}, "prompts": {"*": []}, "resources": {"*": []}}
SOME: dict[str, Any] = {
    "tools": {"echo": [], "get-sum": "math:add", "trigger-long-running-operation": [], "get-env": "admin:env"},
    "prompts": {"simple-prompt": []},
    "resources": {"demo://resource/*": []},
}


@dataclass(frozen=True)
class _Gate:
    """A running gate, and the issuer whose tokens it accepts."""

    url: str
    issuer: Issuer


@contextlib.contextmanager
def _gate(folder: Path, table: dict[str, Any], *, adds_token: bool = False, **upstream: str) -> Iterator[_Gate]:
    """Serve the gate on a free port.

    Args:
        adds_token: add a valid token to each request, because the suite sends none.
        upstream: variables of upstream mode.
    """
    issuer = Issuer()
    issuer.add_key("one")
    file = folder / "permissions.yaml"
    file.write_text(yaml.safe_dump(table), encoding="utf-8")
    keys = SigningKeys(JWKS_URL, "RS256", http=httpx2.AsyncClient(transport=httpx2.MockTransport(issuer.handle)))
    with listening_socket() as listener:
        url = f"http://localhost:{listener.getsockname()[1]}/mcp"
        server = settings(MCP_PUBLIC_URL=url, AUTH0_AUDIENCE=RESOURCE, PERMISSIONS_FILE=str(file))
        app: ASGIApp = protect_upstream(server, load(UpstreamSettings, **upstream), keys=keys)
        with serve_in_thread(AddToken(app, issuer) if adds_token else app, listener):
            yield _Gate(url, issuer)


def scenarios(version: str, modules: Path) -> list[str]:
    """Run the suite's server scenarios through upstream mode. Returns the unexpected results."""
    security = TransportSecuritySettings(enable_dns_rebinding_protection=False)
    server = scenario_server().streamable_http_app(stateless_http=not SESSIONS[version], transport_security=security)
    arguments = ARGUMENTS[version]
    with (
        tempfile.TemporaryDirectory() as name,
        serve_in_thread(server) as origin,
        _gate(Path(name), EVERYTHING, adds_token=True, UPSTREAM_URL=f"{origin}/mcp") as gate,
    ):
        folder = Path(name) / "results"
        words = [*command(modules, version), "server", "--url", gate.url, "-o", str(folder), *arguments]
        done = subprocess.run(words, capture_output=True, text=True, timeout=SECONDS, check=False)
        results = results_in(folder)
    title = f"Server behind the gate, conformance {version} {' '.join(arguments)}"
    return report(title, results, SERVER.get(version, {}), done.stdout + done.stderr)


def everything(modules: Path) -> list[str]:
    """The reference server over HTTP and over stdio. Returns what is wrong."""
    script = [node(modules), str(modules / "@modelcontextprotocol" / "server-everything" / "dist" / "index.js")]
    print("\nThe TypeScript SDK's server-everything behind the gate")
    found = []
    with tempfile.TemporaryDirectory() as name:
        folder, port = Path(name), free_port()
        environment = {**os.environ, "PORT": str(port)}
        with (
            running_process([*script, "streamableHttp"], environment, folder, log=folder / "log") as process,
            _gate(folder, SOME, UPSTREAM_URL=f"http://127.0.0.1:{port}/mcp") as gate,
        ):
            wait_for_status(gate.url.removesuffix("/mcp") + "/readyz", 200, process)
            found += _checked("over HTTP", gate, _uses, _sessions, _repeated)
        with _gate(folder, SOME, UPSTREAM_COMMAND=" ".join([*script, "stdio"])) as gate:
            found += _checked("over stdio", gate, _uses)
    return found


def _checked(title: str, gate: _Gate, *checks: Any) -> list[str]:
    found = []
    for check in checks:
        try:
            asyncio.run(asyncio.wait_for(check(gate), 60))
            problem = ""
        except (AssertionError, MCPError, httpx2.HTTPError, TimeoutError, ExceptionGroup) as error:
            problem = f"{check.__doc__} {error!r}"
        print(f"  {'MISS' if problem else 'ok  '} {title}: {check.__doc__}")
        found += [f"everything {title}: {problem}"] if problem else []
    return found


@contextlib.asynccontextmanager
async def _client(gate: _Gate, token: str, mode: str) -> AsyncIterator[Client]:
    headers = {"Authorization": f"Bearer {token}"}
    async with (
        httpx2.AsyncClient(headers=headers, verify=TLS, timeout=30) as http,
        Client(streamable_http_client(gate.url, http_client=http), mode=mode) as client,
    ):
        yield client


async def _uses(gate: _Gate) -> None:
    """Lists are filtered, calls pass with their progress, and others are refused."""
    progress: list[float] = []

    async def note(done: float, _total: float | None, _message: str | None) -> None:
        progress.append(done)

    token = gate.issuer.token(permissions=["access:mcp"])
    for mode in ("legacy", "auto"):
        progress.clear()
        async with _client(gate, token, mode) as client:
            names = {tool.name for tool in (await client.list_tools()).tools}
            assert names == {"echo", "trigger-long-running-operation"}, names
            assert [prompt.name for prompt in (await client.list_prompts()).prompts] == ["simple-prompt"]
            echo = await client.call_tool("echo", {"message": "hello"})
            assert "hello" in str(echo.content), echo
            work = {"duration": 0.2, "steps": 2}
            await client.call_tool("trigger-long-running-operation", work, progress_callback=note)
            assert progress == [1, 2], progress
            for name in ("get-sum", "get-env", "get-tiny-image"):
                try:
                    await client.call_tool(name, {})
                except MCPError:
                    continue
                raise AssertionError(f"{name} was not refused")


async def _raw(gate: _Gate, token: str, body: dict[str, Any], **headers: str) -> httpx2.Response:
    sent = {
        "Authorization": f"Bearer {token}",
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": "2025-11-25",
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    async with httpx2.AsyncClient(verify=TLS, timeout=30) as http:
        return await http.post(gate.url, json=body, headers=sent)


_START = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "check", "version": "1"},
    },
}
_LIST = {"jsonrpc": "2.0", "id": 2, "method": "tools/list"}


async def _sessions(gate: _Gate) -> None:
    """A session of another user is not found."""
    opened = await _raw(gate, gate.issuer.token(), _START)
    session = opened.headers["mcp-session-id"]
    stolen = await _raw(gate, gate.issuer.token(sub="auth0|mallory"), _LIST, mcp_session_id=session)
    own = await _raw(gate, gate.issuer.token(), _LIST, mcp_session_id=session)
    assert (stolen.status_code, own.status_code) == (404, 200), (stolen.text, own.text)


async def _repeated(gate: _Gate) -> None:
    """A stream that repeats missed messages repeats lists filtered."""
    token = gate.issuer.token(permissions=["access:mcp"])
    opened = await _raw(gate, token, _START)
    session = opened.headers["mcp-session-id"]
    listed = await _raw(gate, token, _LIST, mcp_session_id=session)
    assert "get-sum" not in listed.text
    (first, *_) = re.findall(r"^id: (.+)$", opened.text, re.MULTILINE)
    headers = {
        "Authorization": f"Bearer {token}",
        "Accept": "text/event-stream",
        "MCP-Protocol-Version": "2025-11-25",
        "Mcp-Session-Id": session,
        "Last-Event-ID": first.strip(),
    }
    async with (
        httpx2.AsyncClient(verify=TLS, timeout=30) as http,
        http.stream("GET", gate.url, headers=headers) as answer,
    ):
        assert answer.status_code == 200, await answer.aread()
        async for line in answer.aiter_lines():
            if line.startswith("data: {") and "result" in (message := json.loads(line.removeprefix("data: "))):
                names = [tool["name"] for tool in message["result"].get("tools", [])]
                if names:
                    assert set(names) == {"echo", "trigger-long-running-operation"}, names
                    return
    raise AssertionError("the list was not repeated")
