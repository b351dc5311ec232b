"""What the tenant and the server saw of a program."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

from tests.support.stack import SCRIPTED_BROWSER, LocalStack


def environment(home: Path, **more: str) -> dict[str, str]:
    """The environment of a program: a new home, the scripted browser, no account and no proxy."""
    return {
        "PATH": f"{_node_folder()}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "TERM": "xterm",
        "BROWSER": str(_browser(home)),
        **more,
    }


def problems(stack: LocalStack, document: str) -> list[str]:
    """What is missing: one code exchanged by the client with this document, and no registration.

    Args:
        document: a regular expression for the address of the document.
    """
    entries = stack.control("GET", "requests").json()["requests"]
    registered = [entry for entry in entries if entry["path"] == "/oidc/register"]
    exchanged = [
        entry
        for entry in entries
        if entry["path"] == "/oauth/token" and entry["status"] == 200 and re.search(f'"{document}"', json.dumps(entry))
    ]
    found = []
    if registered:
        found.append("the program registered itself; it should have presented its metadata document")
    if len(exchanged) != 1:
        found.append(f"{len(exchanged)} codes were exchanged by the client of {document}; one was expected")
    return found


def allowed_calls(stack: LocalStack) -> int:
    """How many requests of the MCP server were allowed."""
    lines = (stack.folder / "gatehouse_server.out").read_text(encoding="utf-8").splitlines()
    return sum(json.loads(line)["decision"] == "allow" for line in lines if line.startswith("{"))


def _browser(home: Path) -> Path:
    """A program that opens a URL: some of them take only the path of one in $BROWSER."""
    path = home / "browser"
    command = SCRIPTED_BROWSER.replace("%s &", '"$1"')
    path.write_text(f'#!/bin/sh\nexec {command} >>"{home}/browser.log" 2>&1\n', encoding="utf-8")
    path.chmod(0o755)
    (home / "browser.log").touch()
    return path


def _node_folder() -> Path:
    found = shutil.which("node")
    return Path(found).parent if found else Path("/usr/bin")
