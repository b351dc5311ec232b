"""The stack under load: three servers behind the gateway, in a Compose project of its own, and what happens to it.

Everything is done with the commands that a user has: `make up`, `make restart`, `make reload`, `docker compose`.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import httpx2

from tests.support.free_ports import free_ports

ROOT = Path(__file__).resolve().parents[2]
REPLICAS = 3
_KILL = """
import os, pathlib
for command in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
    if command.read_bytes().split(b"\\0")[1:3] == [b"-m", b"gatehouse_server"]:
        os.kill(int(command.parent.name), 9)
"""


class Failed(Exception):
    """A command failed. The message has its output."""


@dataclass
class SoakStack:
    """Its commands and its URLs."""

    variables: dict[str, str]
    port: int
    tenant_port: int
    _control: str = field(repr=False)

    @classmethod
    def on_free_ports(cls, replicas: int = REPLICAS) -> SoakStack:
        """A stack that is not started yet."""
        control = secrets.token_hex(16)
        port, tenant, tls, callback = free_ports(4)
        empty = ("AUTH0_DOMAIN", "AUTH0_ISSUER", "AUTH0_AUDIENCE", "OIDC_ISSUER", "PUBLIC_HOST", "MCP_PUBLIC_URL")
        variables = {
            **dict.fromkeys((*empty, "MOCK_IDP_PUBLIC_URL", "OAUTH_CALLBACK_URI", "UPSTREAM_URL", "AUTH0_CA_FILE"), ""),
            "COMPOSE_PROJECT_NAME": f"gatehouse-soak-{os.getpid()}",
            "COMPOSE_FILE": "docker-compose.yml:tests/soak/compose.yml",
            "SOAK_CONTROL_TOKEN": control,
            "SERVER_REPLICAS": str(replicas),
            "REQUEST_STATE_SECRET": secrets.token_hex(32),
            "MCP_PORT": str(port),
            "MOCK_IDP_PORT": str(tenant),
            "MOCK_IDP_TLS_PORT": str(tls),
            "OAUTH_CALLBACK_PORT": str(callback),
        }
        return cls(variables, port, tenant, control)

    def make(self, command: str) -> None:
        """Run a command of `scripts/stack`, as `make` does.

        Raises:
            Failed: its exit code is not 0.
        """
        self._run([sys.executable, "scripts/stack", "--runtime", "docker", command])

    def compose(self, *arguments: str) -> str:
        """Run `docker compose`, and return what it prints.

        Raises:
            Failed: its exit code is not 0.
        """
        return self._run(["docker", "compose", "--profile", "mock", "--progress", "quiet", *arguments])

    def remove(self) -> None:
        """Stop everything, and remove volumes and images of this project."""
        self.compose("--profile", "*", "down", "--remove-orphans", "--volumes", "--rmi", "local", "--timeout", "10")

    def servers(self) -> list[str]:
        """The ids of the running servers, in a stable order."""
        return sorted(self.compose("ps", "--quiet", "server").split())

    def kill_a_server(self, number: int) -> None:
        """Kill the process of one server with signal 9, from inside: Docker then starts it again."""
        servers = self.servers()
        self._run(["docker", "exec", servers[number % len(servers)], "python", "-c", _KILL])

    def wait_until_all_are_healthy(self, seconds: float = 60) -> None:
        """
        Raises:
            Failed: a server does not become healthy.
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            states = [json.loads(line) for line in self.compose("ps", "--all", "--format", "json").splitlines()]
            if all(state["Health"] == "healthy" for state in states):
                return
            time.sleep(0.5)
        raise Failed(self.compose("ps", "--all"))

    def decisions(self, since: float, until: float) -> dict[str, int]:
        """How many calls each server decided on, by its id. The times are seconds since the epoch."""
        counts = {}
        for server in self.servers():
            window = ["--since", f"{since:.3f}", "--until", f"{until:.3f}"]
            lines = self._run(["docker", "logs", *window, server]).splitlines()
            counts[server[:12]] = sum(1 for line in lines if line.startswith("{"))
        return counts

    def start_tenant(self) -> None:
        """Start the stopped tenant, and wait until it answers."""
        self.compose("up", "--detach", "--wait", "--no-deps", "--no-recreate", "mock-idp")

    def gateway_errors(self) -> dict[str, int]:
        """How often the gateway logged each error."""
        lines = self.compose("logs", "--no-color", "--no-log-prefix", "gateway").splitlines()
        entries = [json.loads(line[line.index("{") :]) for line in lines if '{"level":"error"' in line]
        return dict(Counter(f"{entry['msg']} {entry.get('error', '')}" for entry in entries))

    def rotate_keys(self) -> None:
        """Let the tenant sign with its next key."""
        httpx2.post(self._control_url("keys/rotate"), headers=self._authorization, timeout=20).raise_for_status()

    def token(self, subject: str) -> str:
        """An access token of that subject, with the permissions that the calls need."""
        body = _wanted(subject)
        answer = httpx2.post(self._control_url("tokens"), json=body, headers=self._authorization, timeout=20)
        return str(answer.raise_for_status().json()["token"])

    async def token_by(self, http: httpx2.AsyncClient, subject: str) -> str:
        """The same with a client whose connections are kept."""
        answer = await http.post(self._control_url("tokens"), json=_wanted(subject), headers=self._authorization)
        return str(answer.raise_for_status().json()["token"])

    def _control_url(self, path: str) -> str:
        return f"http://localhost:{self.tenant_port}/__mock__/{path}"

    @property
    def _authorization(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._control}"}

    def _run(self, command: list[str]) -> str:
        environment = {**os.environ, **self.variables}
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Failed(f"{' '.join(command[:4])} ... failed:\n{(done.stdout + done.stderr)[-3000:]}")
        return done.stdout


def _wanted(subject: str) -> dict[str, object]:
    permissions = ["access:mcp", "time:convert"]
    return {"claims": {"sub": subject, "scope": " ".join(permissions), "permissions": permissions}}
