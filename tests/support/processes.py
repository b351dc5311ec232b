"""The stack as processes on free ports, for the end-to-end suite in the local runtime."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2

from tests.support.free_ports import free_ports

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 60
TLS = httpx2.create_ssl_context()
"""A request without it reads all of the system's authorities anew, which takes longer than the request."""
OURS = (
    "AUTH0_",
    "MCP_",
    "MOCK_",
    "METRICS_",
    "OTEL_",
    "TRUSTED_",
    "REQUEST_STATE_",
    "REQUIRED_",
    "GRANT_",
    "EXCHANGE_",
)
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
class OfflineStack:
    """Where the pieces are, and what each is started with."""

    folder: Path
    mcp_port: int
    tenant_port: int
    callback_port: int

    @property
    def mcp_url(self) -> str:
        return f"http://localhost:{self.mcp_port}/mcp"

    @property
    def issuer(self) -> str:
        return f"http://localhost:{self.tenant_port}/"

    @property
    def control_token(self) -> str:
        return CONTROL_TOKEN

    @property
    def client_variables(self) -> dict[str, str]:
        return {
            **DEMO_CLIENT,
            "AUTH0_AUDIENCE": self.mcp_url,
            "MCP_PUBLIC_URL": self.mcp_url,
            "OAUTH_CALLBACK_URI": f"http://localhost:{self.callback_port}/callback",
            "OAUTH_CALLBACK_PORT": str(self.callback_port),
            "MODEL": "offline",
        }

    @contextlib.contextmanager
    def tenant(self, **more: str) -> Iterator[subprocess.Popen[bytes]]:
        """The offline tenant, running.

        Args:
            more: variables that come on top.
        """
        seed = self._seed()
        variables = {
            "AUTH0_ISSUER": self.issuer,
            "MOCK_IDP_PORT": str(self.tenant_port),
            "MOCK_IDP_TENANT": str(seed),
            "MOCK_IDP_OFFLINE": str(ROOT / "auth0" / "offline.yaml"),
            "MOCK_IDP_STATE_DIR": str(self.folder / "keys"),
            "MOCK_IDP_CONTROL": "true",
            "MOCK_IDP_CONTROL_TOKEN": CONTROL_TOKEN,
            **more,
        }
        with self._process("mock_idp", variables) as process:
            wait_for(f"{self.issuer}.well-known/openid-configuration", 200, process)
            yield process

    @contextlib.contextmanager
    def server(
        self, name: str = "gatehouse_server", port: int | None = None, **more: str
    ) -> Iterator[subprocess.Popen[bytes]]:
        """The MCP server, alive (and ready once its tenant is).

        Args:
            name: the module to run; audit lines are in `<name>.out`, the log in `<name>.log`.
            port: where another server than the stack's own listens.
            more: variables that come on top.
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
        with self._process(name, variables) as process:
            wait_for(f"http://localhost:{port}/livez", 200, process)
            yield process

    def _seed(self) -> Path:
        text = (ROOT / "auth0" / "tenant.yaml").read_text(encoding="utf-8")
        text = text.replace("http://localhost:5555/mcp", self.mcp_url)
        text = text.replace("http://localhost:5000/callback", f"http://localhost:{self.callback_port}/callback")
        seed = self.folder / "tenant.yaml"
        seed.write_text(text, encoding="utf-8")
        return seed

    @contextlib.contextmanager
    def _process(self, module: str, variables: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
        plain = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
        with (self.folder / f"{module}.log").open("ab") as log, (self.folder / f"{module}.out").open("ab") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", module], env={**plain, **variables}, cwd=self.folder, stdout=out, stderr=log
            )
        try:
            yield process
        finally:
            process.terminate()
            process.wait(timeout=15)


def prepare(folder: Path) -> OfflineStack:
    """A stack that is not started yet, on ports that are free now."""
    return OfflineStack(folder, *free_ports(3))


@contextlib.contextmanager
def offline_stack(folder: Path) -> Iterator[OfflineStack]:
    """A running stack: the tenant first, then the server."""
    stack = prepare(folder)
    with stack.tenant(), stack.server():
        wait_for(f"http://localhost:{stack.mcp_port}/readyz", 200)
        yield stack


def wait_for(url: str, status: int, process: subprocess.Popen[bytes] | None = None) -> httpx2.Response:
    """Wait until the URL answers with the status.

    Raises:
        AssertionError: it did not in time, or the process ended.
    """
    deadline = time.monotonic() + SECONDS
    seen: object = None
    while time.monotonic() < deadline:
        assert process is None or process.poll() is None, f"the process ended with exit code {process.poll()}"
        try:
            answer = httpx2.get(url, verify=TLS)
            if answer.status_code == status:
                return answer
            seen = answer.status_code
        except httpx2.TransportError as error:
            seen = error
        time.sleep(0.05)
    raise AssertionError(f"{url} did not answer {status} in {SECONDS} s, but {seen}")
