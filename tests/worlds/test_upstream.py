"""Another server behind the gate of the stack, in both runtimes: one on this machine, and a command over stdio."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import pytest
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.transport_security import TransportSecuritySettings
from starlette.applications import Starlette

from tests.support.serve_in_thread import serve_in_thread
from tests.worlds.conftest import RUNTIME, World
from tests.worlds.test_worlds import ALICE, foreign_client, moved, value

pytestmark = pytest.mark.docker

UNGUARDED = TransportSecuritySettings(enable_dns_rebinding_protection=False)
SERVER = """
import os
from urllib.parse import unquote

from mcp.server.mcpserver import MCPServer

mcp = MCPServer("tools")


@mcp.tool()
async def whoami() -> dict[str, str]:
    return {"subject": unquote(os.environ["GATEHOUSE_SUBJECT"]), "folder": os.getcwd()}


mcp.run("stdio")
"""


def server_on_this_machine() -> Starlette:
    """An app whose tool tells the subject in the gate's header."""
    mcp = MCPServer("tools", log_level="CRITICAL")

    @mcp.tool()
    async def whoami(ctx: Context[Any, Any]) -> dict[str, str]:
        return {"subject": unquote(ctx.request_context.request.headers["gatehouse-subject"])}

    return mcp.streamable_http_app(stateless_http=True, transport_security=UNGUARDED)


def test_a_server_on_this_machine_is_behind_the_gate(world: Callable[..., World]) -> None:
    # From a container this machine is not 127.0.0.1.
    here, host = ("0.0.0.0", "host.docker.internal") if RUNTIME == "docker" else ("127.0.0.1", "127.0.0.1")
    with socket.create_server((here, 0)) as listener, serve_in_thread(server_on_this_machine(), listener):
        url = f"http://{host}:{listener.getsockname()[1]}/mcp"
        text = moved(UPSTREAM_URL=url, UPSTREAM_IDENTITY="headers", PERMISSIONS_FILE="permissions.yaml")
        clone = world(text)
        (clone.folder / "permissions.yaml").write_text("tools: {whoami: []}\n", encoding="utf-8")
        up = clone.stack("up")
        assert up.returncode == 0, up.stdout + up.stderr
        assert foreign_client(clone, f"http://localhost:{value(text, 'MCP_PORT')}/mcp") == ALICE


def test_a_command_over_stdio_is_served_from_its_folder(world: Callable[..., World]) -> None:
    python = "python" if RUNTIME == "docker" else sys.executable
    text = moved(
        UPSTREAM_COMMAND=f"{python} server.py", UPSTREAM_FOLDER="tools", PERMISSIONS_FILE="tools/permissions.yaml"
    )
    clone = world(text)
    (clone.folder / "tools").mkdir()
    (clone.folder / "tools" / "server.py").write_text(SERVER, encoding="utf-8")
    (clone.folder / "tools" / "permissions.yaml").write_text("tools: {whoami: []}\n", encoding="utf-8")
    up = clone.stack("up")
    assert up.returncode == 0, up.stdout + up.stderr
    assert foreign_client(clone, f"http://localhost:{value(text, 'MCP_PORT')}/mcp") == ALICE


def test_a_command_that_is_not_there_is_named_when_the_stack_starts(world: Callable[..., World]) -> None:
    clone = world(moved(UPSTREAM_COMMAND="no-such-program", PERMISSIONS_FILE="permissions.yaml"))
    (clone.folder / "permissions.yaml").write_text("tools: {}\n", encoding="utf-8")
    up = clone.stack("up")
    assert up.returncode == 1
    assert "UPSTREAM_COMMAND begins with 'no-such-program'" in up.stdout + up.stderr
