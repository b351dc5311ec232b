"""Judges each client by each check, and writes the table of docs/clients.md."""

from __future__ import annotations

import json
import re
import tempfile
from functools import partial
from pathlib import Path

from tests.interop.clients.agents import ClaudeCode, Codex, GeminiCli, OpenCode
from tests.interop.clients.checks import CHECKS, asked_for
from tests.interop.clients.client import Machine, McpClient
from tests.interop.clients.command_lines import Inspector, McPorter, McpRemote
from tests.interop.clients.expected_misses import MISSES
from tests.interop.clients.libraries import (
    AiSdk,
    FastMcp,
    LangChain,
    PydanticAi,
    PythonSdk1,
    PythonSdk2,
    TypeScriptSdk1,
    TypeScriptSdk2,
)
from tests.interop.clients.web import WebInspector
from tests.support.judged import CannotDo, GeneratedPart, Judgement, Miss
from tests.support.stack import LocalStack

INTEROP = Path(__file__).parents[1]
PART = GeneratedPart(INTEROP.parents[1] / "docs" / "clients.md", "clients that were run for real")
CLIENTS: dict[str, type[McpClient]] = {
    kind.name: kind
    for kind in (
        ClaudeCode,
        Codex,
        OpenCode,
        GeminiCli,
        Inspector,
        WebInspector,
        McPorter,
        McpRemote,
        TypeScriptSdk1,
        TypeScriptSdk2,
        AiSdk,
        PythonSdk1,
        PythonSdk2,
        FastMcp,
        LangChain,
        PydanticAi,
    )
}


def judgement() -> Judgement:
    """What is judged."""
    checks = {name: str(check.__doc__) for name, check in CHECKS.items()}
    return Judgement(checks, {name: f"{name} {_version(kind)}" for name, kind in CLIENTS.items()}, MISSES)


def judge(name: str, checks: list[str], machine: Machine, folder: Path) -> dict[str, str]:
    """What was seen, by the check's name; empty if it holds. Each client has a stack of its own."""
    seen: dict[str, str] = {}
    (folder / "stack").mkdir(parents=True)
    with LocalStack.on_free_ports(folder / "stack").running() as stack:
        for check in checks:
            (folder / check).mkdir()
            stack.control("POST", "reset")
            stack.control("DELETE", "requests")
            try:
                CHECKS[check](partial(_made, CLIENTS[name], stack, machine, folder / check), stack)
                seen[check] = ""
            except (Miss, CannotDo) as miss:
                seen[check] = f"{miss} (It asked for: {asked_for(stack)})"
    return seen


def _made(
    kind: type[McpClient], stack: LocalStack, machine: Machine, folder: Path, *, registered: bool = False
) -> McpClient:
    return kind(stack, machine, Path(tempfile.mkdtemp(dir=folder)), registered=registered)


def _version(kind: type[McpClient]) -> str:
    npm = json.loads((INTEROP / "package.json").read_text(encoding="utf-8"))["dependencies"]
    if kind.package in npm:
        return str(npm[kind.package])
    lists = (INTEROP / "requirements.in", INTEROP.parent / "requirements.lock")
    order = lists if getattr(kind, "of_the_tests", True) is False else lists[1:]
    for path in order:
        found = re.search(rf"^{re.escape(kind.package)}==([^\s\\]+)", path.read_text(encoding="utf-8"), re.M)
        if found:
            return found[1]
    raise LookupError(f"no list of packages has {kind.package}")
