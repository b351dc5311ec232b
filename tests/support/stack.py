"""A stack under test: an MCP server and its tenant. `Stack` uses one, `LocalStack` also starts one as processes."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import httpx2

from tests.support.free_ports import free_ports
from tests.support.processes import ROOT, TLS, environment_without_settings, running_process, wait_for_status
from tests.support.quick_python import run

if TYPE_CHECKING:
    from mock_idp.state.signing_keys import KeyRing

SCRIPTED_BROWSER = shlex.join([sys.executable, str(Path(__file__).with_name("scripted_browser.py"))]) + " %s &"
"""A $BROWSER that signs ROBOT_USER in."""
NO_BROWSER = "false"
"""A $BROWSER that fails: for a command that must not sign in."""
TENANT_FILE = ROOT / "auth0" / "tenant.yaml"
CONTROL_TOKEN = "end-to-end-control"
DEMO_CLIENT = {
    "AUTH0_CLIENT_ID": "GatehouseAgentDemoClient00000000",
    "AUTH0_CLIENT_SECRET": "demo-secret-of-the-offline-tenant-never-use-it-with-a-real-one-1",
}
SERVER_CLIENT = {
    "EXCHANGE_CLIENT_ID": "GatehouseServerDemoClient0000000",
    "EXCHANGE_CLIENT_SECRET": "demo-secret-of-the-offline-tenant-never-use-it-with-a-real-one-3",
}


@dataclass(frozen=True)
class Stack:
    """A running stack, known by its URLs only.

    Attributes:
        variables: the agent's settings for this stack.
    """

    mcp_url: str
    issuer: str
    control_token: str
    audience: str
    variables: dict[str, str]

    @property
    def origin(self) -> str:
        """The MCP server's URL without a path."""
        return self.mcp_url.removesuffix("/mcp")

    def gatehouse(
        self, *arguments: str, home: Path, user: str = "alice@example.com", browser: str | None = None, **more: str
    ) -> subprocess.CompletedProcess[str]:
        """Run the agent's command line. Without `browser`, the scripted browser signs `user` in."""
        command = [sys.executable, "-m", "gatehouse_client", *arguments]
        environment = self.environment(home, browser, ROBOT_USER=user, **more)
        return run(command, env=environment, cwd=home, timeout=90)

    def environment(self, home: Path, browser: str | None = None, **more: str) -> dict[str, str]:
        """The environment of the agent's command line."""
        settings = {"GATEHOUSE_HOME": str(home), "GATEHOUSE_KEYRING": "0", "BROWSER": browser or SCRIPTED_BROWSER}
        return {**os.environ, **self.variables, **settings, **more}

    def control(self, method: str, path: str, **body: object) -> httpx2.Response:
        """Call the tenant's control API."""
        headers = {"Authorization": f"Bearer {self.control_token}"}
        url = f"{self.issuer}__mock__/{path}"
        answer = httpx2.request(method, url, headers=headers, json=body or None, verify=TLS)
        assert answer.status_code < 300, answer.text
        return answer

    @contextmanager
    def misconfigured(self, preset: str) -> Iterator[None]:
        """Give the tenant a misconfiguration, and reset the tenant afterwards."""
        self.control("POST", f"presets/{preset}")
        try:
            yield
        finally:
            self.control("POST", "reset")

    def mint(self, **variant: object) -> str:
        """An access token like alice's, changed as `variant` says."""
        return str(self.control("POST", "tokens", **variant).json()["token"])

    def call(self, token: str | None, body: dict[str, object] | None = None) -> httpx2.Response:
        """Send one MCP request of revision 2025-11-25 over plain HTTP: `tools/list` unless `body` is given."""
        headers = {"Accept": "application/json, text/event-stream", "MCP-Protocol-Version": "2025-11-25"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        body = body or {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
        return httpx2.post(self.mcp_url, headers=headers, json=body, verify=TLS)


@dataclass(frozen=True)
class LocalStack(Stack):
    """A stack of processes on free ports.

    Attributes:
        folder: the processes' working directory, with their logs and the tenant's keys.
    """

    folder: Path
    mcp_port: int
    tenant_port: int
    callback_port: int

    @classmethod
    def on_free_ports(cls, folder: Path, *, own_keys: bool = False) -> LocalStack:
        """A stack that is not started yet.

        Args:
            own_keys: whether the tenant makes keys of its own. Otherwise it has those of the other stacks.
        """
        if not own_keys:
            _write_keys(folder / "keys")
        mcp, tenant, callback = free_ports(3)
        mcp_url = f"http://localhost:{mcp}/mcp"
        variables = {
            **DEMO_CLIENT,
            "AUTH0_AUDIENCE": mcp_url,
            "MCP_PUBLIC_URL": mcp_url,
            "OAUTH_CALLBACK_URI": f"http://localhost:{callback}/callback",
            "OAUTH_CALLBACK_PORT": str(callback),
            "MODEL": "offline",
        }
        issuer = f"http://localhost:{tenant}/"
        return cls(mcp_url, issuer, CONTROL_TOKEN, mcp_url, variables, folder, mcp, tenant, callback)

    @contextmanager
    def tenant(self, name: str = "mock_idp", **more: str) -> Iterator[subprocess.Popen[bytes]]:
        """Run the offline tenant and wait until it answers.

        Args:
            name: the module to run. The log is in `<name>.log`.
            more: further variables.
        """
        variables = {
            "AUTH0_ISSUER": self.issuer,
            "MOCK_IDP_PORT": str(self.tenant_port),
            "MOCK_IDP_TENANT": str(TENANT_FILE),
            "MCP_PUBLIC_URL": self.mcp_url,
            "OAUTH_CALLBACK_PORT": str(self.callback_port),
            "MOCK_IDP_OFFLINE": str(ROOT / "auth0" / "offline.yaml"),
            "MOCK_IDP_STATE_DIR": str(self.folder / "keys"),
            "MOCK_IDP_CONTROL": "true",
            "MOCK_IDP_CONTROL_TOKEN": CONTROL_TOKEN,
            **more,
        }
        with self._module(name, variables) as process:
            wait_for_status(f"{self.issuer}.well-known/openid-configuration", 200, process)
            yield process

    @contextmanager
    def server(
        self, name: str = "gatehouse_server", port: int | None = None, **more: str
    ) -> Iterator[subprocess.Popen[bytes]]:
        """Run the MCP server and wait until it is alive. It is ready only when its tenant answers.

        Args:
            name: the module to run. Audit lines are in `<name>.out`, the log is in `<name>.log`.
            port: the port of a second server beside the stack's own.
            more: further variables.
        """
        port = port or self.mcp_port
        variables = {
            "AUTH0_DOMAIN": f"localhost:{self.tenant_port}",
            "AUTH0_ISSUER": self.issuer,
            "AUTH0_AUDIENCE": self.mcp_url,
            "MCP_PORT": str(port),
            **SERVER_CLIENT,
            **more,
        }
        with self._module(name, variables) as process:
            wait_for_status(f"http://localhost:{port}/livez", 200, process)
            yield process

    @contextmanager
    def running(self) -> Iterator[LocalStack]:
        """Run the tenant, then the server, and wait until the server is ready."""
        with self.tenant(), self.server():
            wait_for_status(f"{self.origin}/readyz", 200)
            yield self

    def _module(self, name: str, variables: dict[str, str]) -> AbstractContextManager[subprocess.Popen[bytes]]:
        environment = {**environment_without_settings(), **variables}
        log, output = self.folder / f"{name}.log", self.folder / f"{name}.out"
        return running_process([sys.executable, "-m", name], environment, self.folder, log=log, output=output)


def _write_keys(folder: Path) -> None:
    # The suite in a container has only the URLs of its stack, and not the tenant's package.
    from mock_idp.state.signing_keys import KEY_FILE, write_key_ring

    write_key_ring(folder / KEY_FILE, _keys())


@cache
def _keys() -> KeyRing:
    """The keys of all tenants of this process. To make new ones for each takes 0.2 s."""
    from mock_idp.state.signing_keys import new_key_ring

    return new_key_ring("localhost", time.time())
