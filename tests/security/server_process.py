"""A server process and its tenant process, with their output."""

from __future__ import annotations

import contextlib
import json
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx2

from tests.support.free_ports import free_ports
from tests.support.processes import TLS
from tests.support.stack import LocalStack, Stack

HERE = Path(__file__).parent
SECONDS = 20
JWKS = "/.well-known/jwks.json"


@dataclass(frozen=True)
class ServerProcess:
    """A running server. `stack` has its URL and its tenant's; `name` is the name of its output files."""

    stack: Stack
    folder: Path
    name: str
    metrics_url: str

    @property
    def origin(self) -> str:
        return self.stack.origin

    def ask(self, token: str, **headers: str) -> tuple[httpx2.Response, dict[str, Any]]:
        """List the tools with that token. Returns the answer and its audit line."""
        request_id = secrets.token_hex(8)
        sent = {**HEADERS, "Authorization": f"Bearer {token}", "X-Request-Id": request_id, **headers}
        answer = httpx2.post(self.stack.mcp_url, headers=sent, json=LIST, timeout=SECONDS, verify=TLS)
        return answer, self.audit(request_id)

    def audit(self, request_id: str) -> dict[str, Any]:
        """The audit line of that request. Waits until it is written."""
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            for line in (self.folder / f"{self.name}.out").read_text(encoding="utf-8").splitlines(True):
                if request_id in line and line.endswith("\n"):  # else it is not written to its end yet
                    return dict(json.loads(line))
            time.sleep(0.01)
        raise AssertionError(f"no audit line about {request_id}")

    def written(self) -> str:
        """Everything that the server wrote."""
        files = [self.folder / f"{self.name}.{kind}" for kind in ("out", "log")]
        return "".join(file.read_text(encoding="utf-8") for file in files)

    def key_fetches(self) -> list[dict[str, Any]]:
        """The key requests that the tenant recorded."""
        return list(self.stack.control("GET", f"requests?path={JWKS}").json()["requests"])


HEADERS = {"Accept": "application/json, text/event-stream", "MCP-Protocol-Version": "2025-11-25"}
LIST = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}


@contextlib.contextmanager
def running_server(tenant: LocalStack, name: str = "gatehouse_server", **variables: str) -> Iterator[ServerProcess]:
    """Another running server for the tenant; `name` is its module."""
    port, metrics = free_ports(2)
    with tenant.server(name, port, PYTHONPATH=str(HERE), METRICS_PORT=str(metrics), **variables):
        stack = replace(tenant, mcp_url=f"http://localhost:{port}/mcp")
        yield ServerProcess(stack, tenant.folder, name, f"http://localhost:{metrics}")
