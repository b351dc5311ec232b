"""The real command line, in this process or in one of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import ProxyHandler, build_opener

import pytest
import typer.testing
from typer.testing import CliRunner, Result

from gatehouse_client.cli.app import app
from tests.support.pty_session import PtySession, on_terminal
from tests.support.quick_python import QuickPopen

# To build the commands of an app takes longer than most of them.
typer.testing._get_command = cache(typer.testing._get_command)  # type: ignore[attr-defined]
GATEHOUSE = (sys.executable, "-m", "gatehouse_client")
PROXIES = {name for upper in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY") for name in (upper, upper.lower())}
PREFIXES = ("MCP_", "AUTH0_", "OAUTH_", "GATEHOUSE_", "GEMINI_", "GOOGLE_API", "OPENAI_", "ANTHROPIC_")


def clean_environment() -> dict[str, str]:
    """This process's environment without anything that sets the client up."""
    others = {"BROWSER", "MODEL", "MODEL_TIMEOUT", "REQUIRED_PERMISSION", *PROXIES}
    return {name: value for name, value in os.environ.items() if not name.startswith(PREFIXES) and name not in others}


@dataclass
class Command:
    """Runs `gatehouse`.

    Attributes:
        pages: what the browser was shown at the end of each sign-in.
        signed_in: set whenever the browser has come to the end.
    """

    monkeypatch: pytest.MonkeyPatch
    folder: Path
    variables: dict[str, str]
    pages: list[str] = field(default_factory=list)
    signed_in: threading.Event = field(default_factory=threading.Event)

    def __call__(self, *arguments: str, stdin: str | None = None, **variables: str) -> Result:
        """Run it in this process, in an empty working directory."""
        self.monkeypatch.chdir(self.folder)
        for name in set(os.environ) - set(clean_environment()):
            self.monkeypatch.delenv(name)
        for name, value in {**self.variables, "BROWSER": "robot", **variables}.items():
            self.monkeypatch.setenv(name, value)
        return CliRunner().invoke(app, arguments, input=stdin, catch_exceptions=False)

    def process(self, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        """Start it as a process of its own, with a browser that cannot be opened."""
        return QuickPopen(
            [*GATEHOUSE, *arguments],
            env=self._environment(variables),
            cwd=self.folder,
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def on_terminal(self, *arguments: str, **variables: str) -> AbstractContextManager[PtySession]:
        """Start it as a process of its own on a wide terminal."""
        environment = self._environment({"TERM": "xterm", "COLUMNS": "200", "LINES": "50", **variables})
        return on_terminal([*GATEHOUSE, *arguments], env=environment, cwd=self.folder)

    def _environment(self, variables: dict[str, str]) -> dict[str, str]:
        return {**clean_environment(), **self.variables, "BROWSER": "false", **variables}

    def browse(self, url: str) -> bool:
        """The browser: goes where it is sent, and keeps the page at the end."""
        try:
            with build_opener(ProxyHandler({})).open(url, timeout=10) as answer:
                self.pages.append(answer.read().decode())
        except HTTPError as error:
            with error:
                self.pages.append(error.read().decode())
        self.signed_in.set()
        return True
