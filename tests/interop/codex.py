"""Codex: `codex mcp add`, which signs in at once, `codex mcp login`, and `codex mcp list`."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from tests.interop import signed_in
from tests.support.processes import run_program
from tests.support.stack import LocalStack

SHARED_DOCUMENT = r"https://chatgpt\.com/oauth/codex/client\.json"
DOCUMENT_OF_ONE_SERVER = r"https://chatgpt\.com/oauth/codex/[\w-]+/client\.json"
SECONDS = 60


def problems(stack: LocalStack, programs: Path, home: Path) -> list[str]:
    """Sign in with `add`, then again with `login`. Returns what is wrong."""
    codex = str(programs / "codex")
    (home / "codex").mkdir()
    environment = signed_in.environment(home, CODEX_HOME=str(home / "codex"))

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return run_program([codex, "mcp", *arguments], home, environment, SECONDS)

    steps = [run("add", "gatehouse", "--url", stack.mcp_url)]
    found = signed_in.problems(stack, SHARED_DOCUMENT)
    stack.control("DELETE", "requests")
    # Without this member in the tenant's metadata, Codex has a document for each MCP server.
    without = {"authorization_response_iss_parameter_supported": False}
    stack.control("PATCH", "configuration", tenant={"tenant": without})
    steps += [run("login", "gatehouse"), run("list", "--json")]
    found += signed_in.problems(stack, DOCUMENT_OF_ONE_SERVER)
    for step in steps:
        if step.returncode != 0:
            found.append(f"`{' '.join(step.args[1:])}` ended with {step.returncode}: {step.stdout}{step.stderr}")
    if not found:
        (server,) = json.loads(steps[-1].stdout)
        if server.get("auth_status") not in ("o_auth", "oauth"):
            found.append(f"`codex mcp list` says: {server}")
    return found
