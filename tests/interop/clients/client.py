"""What a judge needs to know about an MCP client: how it lists and calls tools of the stack, as which person."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import httpx2

from tests.interop import signed_in
from tests.support.documents import blocks
from tests.support.judged import Miss
from tests.support.processes import run_program
from tests.support.stack import LocalStack

SECONDS = 90
URL = "http://localhost:5555/mcp"
"""Of the server, on the page about clients."""
ALICE, BOB = "alice@example.com", "bob@example.com"
"""Only alice may use the server."""
LIST, GET_TIME, CONVERT = "list", "get_time", "convert_time"
"""What a client can be told to do. `convert_time` needs a permission that the first sign-in did not ask for."""
WAIT = "wait"
"""It waits until the access token has expired: it gets an address that answers only then, and prints WAITED."""
WAITED = "It has waited."
ARGUMENTS: Mapping[str, Mapping[str, str]] = {
    GET_TIME: {"timezone": "UTC"},
    CONVERT: {"time": "2026-07-28T09:30", "from_timezone": "Asia/Tokyo", "to_timezone": "UTC"},
}


@dataclass(frozen=True)
class Machine:
    """What the clients are run with.

    Attributes:
        modules: the folder node_modules.
        python: a Python with the clients from PyPI that need the SDK 1.
    """

    modules: Path
    python: Path

    @property
    def programs(self) -> Path:
        """The folder with the programs of the packages."""
        return self.modules / ".bin"


class McpClient(ABC):
    """An MCP client with a home folder, in which it keeps its tokens.

    Attributes:
        name: a word for the command line.
        package: its package, whose version is in a list of packages.
        document: a regular expression for its metadata document; empty if it registers itself.
        document_without_iss: its document for a tenant that does not announce `iss` (RFC 9207), if it differs.
        callbacks: further addresses to which it lets the tenant send a person back.
        expired: the address for WAIT.
        shows_tools: whether `list` prints the tools. An agent says only that it is connected.
    """

    name: ClassVar[str]
    package: ClassVar[str]
    document: ClassVar[str] = ""
    document_without_iss: ClassVar[str] = ""
    callbacks: ClassVar[tuple[str, ...]] = ()
    shows_tools: ClassVar[bool] = True

    def __init__(self, stack: LocalStack, machine: Machine, home: Path, *, registered: bool = False) -> None:
        """
        Args:
            registered: it signs in as the stack's own application, and does not register itself.

        Raises:
            CannotDo: it cannot be told the client's id and secret.
        """
        self.stack, self.machine, self.home, self.registered = stack, machine, home, registered
        self.expired = ""

    @abstractmethod
    def run(self, *operations: str, user: str = ALICE, browser: bool = True) -> str:
        """Do these operations, in this order. Returns what the client printed.

        Args:
            browser: a scripted browser signs `user` in; without it, none can be opened.

        Raises:
            Miss: it failed.
            CannotDo: it does not do this without a model.
        """

    def environment(self, user: str, browser: bool, **more: str) -> dict[str, str]:
        """The environment of its processes, with the Node that these clients need."""
        plain = signed_in.environment(self.home, ROBOT_USER=user, **more)
        opened = {} if browser else {"BROWSER": "/bin/false"}
        return {**plain, "PATH": f"{self.machine.modules / 'node' / 'bin'}:{plain['PATH']}", **opened}

    def finished(self, command: list[str], environment: dict[str, str]) -> str:
        """The output of a command that must succeed.

        Raises:
            Miss: it failed, or did not end.
        """
        shown = f"`{Path(command[0]).name} {' '.join(command[1:])}`"
        try:
            done = run_program(command, self.home, environment, SECONDS)
        except subprocess.TimeoutExpired as error:
            raise Miss(f"{shown} did not end in {SECONDS} s: {_text(error.stdout)}{_text(error.stderr)}") from error
        if done.returncode != 0:
            raise Miss(f"{shown} ended with {done.returncode}: {without_queries(done.stdout + done.stderr)[-2000:]}")
        return done.stdout


def words_of_the_page(program: str, url: str, page: str = "docs/clients.md") -> list[list[str]]:
    """The arguments of each command of a program on the page about clients, for the server at that URL."""
    lines = [
        line for block in blocks(page, language="sh") for line in re.split(" && ", block.text.replace("\n", " && "))
    ]
    words = [shlex.split(line.replace(URL, url), comments=True) for line in lines]
    found = [each[each.index(program) + 1 :] for each in words if program in each[:2]]
    assert found, f"{page} has no command of {program}"
    return found


def without_queries(text: str) -> str:
    """The text without the long queries of sign-in URLs."""
    return re.sub(r"(https?://[^\s?]+)\?\S+", r"\1?...", text)


def wait(client: McpClient) -> str:
    """Do WAIT for a client that is a process for each operation. Returns what is printed."""
    return httpx2.get(client.expired, timeout=SECONDS).text


def operations_as_json(client: McpClient, operations: tuple[str, ...]) -> str:
    """The operations for a program: `[["list"], ["wait", URL], ["call", "get_time", {...}]]`."""
    plain: dict[str, list[object]] = {LIST: [LIST], WAIT: [WAIT, client.expired]}
    return json.dumps([plain.get(each) or ["call", each, ARGUMENTS[each]] for each in operations])


def _text(output: str | bytes | None) -> str:
    return without_queries(output.decode(errors="replace") if isinstance(output, bytes) else output or "")[-1000:]
