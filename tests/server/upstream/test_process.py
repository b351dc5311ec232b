"""`python -m gatehouse_server` in front of another server, as a process."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
from mcp.server.mcpserver import MCPServer
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from tests.server.protected_server import headers_of, message
from tests.server.token_issuer import Issuer
from tests.server.upstream.test_stdio import SMALL, is_running
from tests.support.free_ports import free_port
from tests.support.processes import TLS, environment_without_settings, running_process, wait_for_status
from tests.support.serve_in_thread import serve_in_thread


def keys_of(issuer: Issuer) -> Starlette:
    async def jwks(_: Request) -> JSONResponse:
        return JSONResponse(issuer.jwks())

    return Starlette(routes=[Route("/.well-known/jwks.json", jwks)])


def who_server() -> Starlette:
    """An upstream that answers in the form of the small server over stdio."""
    mcp = MCPServer("tools", log_level="WARNING")

    @mcp.tool()
    async def who() -> str:
        return f"{os.getpid()}"

    return mcp.streamable_http_app(stateless_http=True, json_response=True)


@contextmanager
def arguments(kind: str) -> Iterator[list[str]]:
    if kind == "--command":
        yield [kind, *SMALL]
    else:
        with serve_in_thread(who_server()) as origin:
            yield [kind, f"{origin}/mcp"]


@pytest.mark.parametrize("kind", ["--upstream", "--command"])
def test_the_command_serves_another_server_and_ends_cleanly(issuer: Issuer, tmp_path: Path, kind: str) -> None:
    port = free_port()
    (tmp_path / "permissions.yaml").write_text("tools: {who: []}\n", encoding="utf-8")
    log = tmp_path / "log"
    with serve_in_thread(keys_of(issuer)) as tenant, arguments(kind) as given:
        variables = {
            **environment_without_settings("UPSTREAM_", "PERMISSIONS_"),
            "AUTH0_ISSUER": f"{tenant}/",
            "MCP_PORT": str(port),
            "PERMISSIONS_FILE": "permissions.yaml",
        }
        command = [sys.executable, "-m", "gatehouse_server", *given]
        url = f"http://localhost:{port}/mcp"
        with running_process(command, variables, tmp_path, log=log) as process:
            wait_for_status(f"http://localhost:{port}/readyz", 200, process)
            body = message("tools/call", {"name": "who", "arguments": {}})
            headers = headers_of(body, "legacy", issuer.token(iss=f"{tenant}/", aud=url))
            answer = httpx2.post(url, json=body, headers=headers, verify=TLS, timeout=30)
            assert answer.status_code == 200, answer.text
            text = answer.json()["result"]["content"][0]["text"]
            assert httpx2.post(url, json=body, verify=TLS).status_code == 401
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=20)
    if kind == "--command":
        assert not is_running(int(text.split()[1]))
    written = log.read_text(encoding="utf-8")
    assert "Traceback" not in written
    assert '"decision": "allow"' in written
