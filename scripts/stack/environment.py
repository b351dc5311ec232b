"""Paths of the project, the variables of .env, and checks of ports and URLs."""

from __future__ import annotations

import os
import secrets
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from report import Problem, say

ROOT = Path(__file__).resolve().parents[2]
DOTENV = ROOT / ".env"
EXAMPLE = ROOT / ".env.example"
START_SECONDS = 60
RUN = Path(os.environ.get("STACK_RUN_DIR") or ROOT / ".run")


@dataclass(frozen=True)
class Environment:
    """The variables of .env. Variables of the shell override them."""

    values: dict[str, str]

    def __getitem__(self, name: str) -> str:
        return os.environ.get(name, self.values.get(name, ""))

    @property
    def offline(self) -> bool:
        """Whether the stack includes the offline tenant."""
        return "mock" in self["COMPOSE_PROFILES"].split(",")

    @property
    def issuer(self) -> str:
        return self["AUTH0_ISSUER"] or f"https://{self['AUTH0_DOMAIN']}/"

    @property
    def public_url(self) -> str:
        return self["MCP_PUBLIC_URL"] or f"http://localhost:{self['MCP_PORT'] or 5555}/mcp"

    @property
    def server_url(self) -> str:
        """The server's URL on this machine, which may differ from its public URL."""
        return f"http://127.0.0.1:{self['MCP_PORT'] or 5555}"

    def secrets(self, names: Iterable[str]) -> dict[str, str]:
        """The values of the variables that are set by NAME_FILE, read from the files.

        The shell overrides .env, and in each of them NAME overrides NAME_FILE.
        """
        found: dict[str, str] = {}
        for name in names:
            for variables in (os.environ, self.values):
                if variables.get(name):
                    break
                if path := variables.get(f"{name}_FILE"):
                    found[name] = _content(f"{name}_FILE", path)
                    break
                if name in variables:  # an empty variable of the shell overrides .env
                    break
        return found

    def ports(self) -> dict[int, str]:
        """The ports on which the stack listens, and the variables that change each."""
        ports = {int(self["MCP_PORT"] or 5555): "MCP_PORT and MCP_PUBLIC_URL"}
        if self.offline:
            ports[int(self["MOCK_IDP_PORT"] or 9000)] = "MOCK_IDP_PORT, AUTH0_DOMAIN and AUTH0_ISSUER"
            if self["MOCK_IDP_TLS_PORT"]:
                ports[int(self["MOCK_IDP_TLS_PORT"])] = "MOCK_IDP_TLS_PORT (or leave it empty)"
        return ports

    def callback_port(self) -> dict[int, str]:
        """The port of the agent's sign-in callback, and the variables that change it."""
        variables = "OAUTH_CALLBACK_PORT and OAUTH_CALLBACK_URI (and the application's callback URL in the tenant)"
        return {int(self["OAUTH_CALLBACK_PORT"] or 5000): variables}


def load(path: Path = DOTENV) -> Environment:
    """Read .env. If there is none, create it from .env.example."""
    if path == DOTENV and not DOTENV.exists():
        text = EXAMPLE.read_text(encoding="utf-8")
        DOTENV.write_text(
            text.replace("REQUEST_STATE_SECRET=\n", f"REQUEST_STATE_SECRET={secrets.token_hex(32)}\n"), encoding="utf-8"
        )
        DOTENV.chmod(0o600)
        say("Created .env from .env.example (offline tenant, demo users).")
    values: dict[str, str] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        name, equals, value = line.partition("=")
        if equals and not line.lstrip().startswith("#"):
            values[name.strip()] = value.strip().strip("'\"")
    return Environment(values)


def _content(name: str, path: str) -> str:
    try:
        return (ROOT / path).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise Problem(
            f"{name} is {path!r}: the file cannot be read ({error.strerror}). A readable file is valid."
        ) from error


def require_free_ports(ports: dict[int, str]) -> None:
    """Raise a Problem for the first port that is in use."""
    for port, variables in ports.items():
        if is_port_in_use(port):
            raise Problem(
                f"Port {port} is in use by another program. Stop that program"
                f" (`ss -ltnp | grep :{port}` shows which), or use another port: set {variables} in .env."
            )


def is_port_in_use(port: int) -> bool:
    for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.settimeout(1)
            try:
                if probe.connect_ex((host, port)) == 0:
                    return True
            except OSError:
                continue
    return False


def answers(url: str) -> bool:
    """Whether the URL answers with status 200."""
    try:
        with urllib.request.urlopen(url, timeout=2) as response:
            return bool(response.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def wait_until(url: str, check: Callable[[], None] = lambda: None) -> None:
    """Wait until the URL answers with status 200. `check` may raise a Problem earlier."""
    deadline = time.monotonic() + START_SECONDS
    while not answers(url):
        check()
        if time.monotonic() > deadline:
            answer = describe_answer(url)
            raise Problem(f"{url} is not ready after {START_SECONDS} s: {answer}\n`make logs` shows more.")
        time.sleep(0.1)


def describe_answer(url: str) -> str:
    """The answer of the URL, for an error message."""
    try:
        with urllib.request.urlopen(url, timeout=2) as response:
            return f"HTTP {response.status}"
    except urllib.error.HTTPError as error:
        return f"HTTP {error.code}: {error.read(500).decode(errors='replace')}"
    except OSError as error:
        return str(error)
