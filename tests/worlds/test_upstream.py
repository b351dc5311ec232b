"""Another server behind the gate of the stack: a command over stdio, in both runtimes."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from tests.worlds.conftest import RUNTIME, World
from tests.worlds.test_worlds import ALICE, foreign_client, moved, value

pytestmark = pytest.mark.docker

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
