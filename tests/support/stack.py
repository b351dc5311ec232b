"""The stack that the suite tries, known by URLs only."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import httpx2

from tests.support.processes import TLS, OfflineStack

SCRIPTED_BROWSER = shlex.join([sys.executable, str(Path(__file__).with_name("scripted_browser.py"))]) + " %s &"
"""A $BROWSER that signs ROBOT_USER in."""
NO_BROWSER = "false"
"""A $BROWSER that fails: a command that must not sign in gets it."""


@dataclass(frozen=True)
class Stack:
    """A server and its tenant."""

    mcp_url: str
    issuer: str
    control_token: str
    audience: str
    variables: dict[str, str]

    @classmethod
    def of(cls, offline: OfflineStack) -> Stack:
        """A stack of processes."""
        url = offline.mcp_url
        return cls(url, offline.issuer, offline.control_token, url, offline.client_variables)

    def gatehouse(
        self, *arguments: str, home: Path, user: str = "alice@example.com", browser: str | None = None, **more: str
    ) -> subprocess.CompletedProcess[str]:
        """Run the agent's command line; `browser=None` is the robot that signs `user` in."""
        variables = self.environment(home, browser, ROBOT_USER=user, **more)
        command = [sys.executable, "-m", "gatehouse_client", *arguments]
        return subprocess.run(
            command,
            env=variables,
            cwd=home,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
            stdin=subprocess.DEVNULL,
        )

    def environment(self, home: Path, browser: str | None = None, **more: str) -> dict[str, str]:
        """What the agent's command line is started with."""
        settings = {"GATEHOUSE_HOME": str(home), "GATEHOUSE_KEYRING": "0"}
        opener = SCRIPTED_BROWSER if browser is None else browser
        return {**os.environ, **self.variables, **settings, "BROWSER": opener, **more}

    def control(self, method: str, path: str, **body: object) -> httpx2.Response:
        """A call of the tenant's control API."""
        headers = {"Authorization": f"Bearer {self.control_token}"}
        url = f"{self.issuer}__mock__/{path}"
        answer = httpx2.request(method, url, headers=headers, json=body or None, verify=TLS)
        assert answer.status_code < 300, answer.text
        return answer

    def mint(self, **variant: object) -> str:
        """An access token as alice would get it, but for the variant."""
        return str(self.control("POST", "tokens", **variant).json()["token"])

    def call(self, token: str | None, body: dict[str, object] | None = None) -> httpx2.Response:
        """One MCP request with plain HTTP, of revision 2025-11-25: `ping` unless a body is given."""
        headers = {"Accept": "application/json, text/event-stream", "MCP-Protocol-Version": "2025-11-25"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        body = body or {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
        return httpx2.post(self.mcp_url, headers=headers, json=body, verify=TLS)
