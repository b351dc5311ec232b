"""Gatehouse behind a provider: the server and the agent as processes, configured by environment variables only."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import httpx2

from tests.providers.provider import ALICE, PASSWORDS, Place, Provider
from tests.support.free_ports import free_ports
from tests.support.judged import Miss, wait_until
from tests.support.processes import environment_without_settings, running_process, wait_for_status
from tests.support.quick_python import run
from tests.support.stack import NO_BROWSER, SCRIPTED_BROWSER

COMMAND_SECONDS = 90
_BODY = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
_TRACEBACK = "Traceback (most recent call last)"


class World:
    """One provider with a server and an agent.

    Attributes:
        variables: the lines of `.env`.
    """

    def __init__(self, kind: type[Provider], folder: Path, modules: Path, python: Path) -> None:
        provider_port, self._server_port, callback_port = free_ports(3)
        self.server = f"http://localhost:{self._server_port}/mcp"
        self.folder = folder
        home = folder / "provider"
        home.mkdir()
        callback = f"http://localhost:{callback_port}/callback"
        self.provider = kind(Place(home, provider_port, self.server, callback, modules, python))
        self.variables = {
            **self.provider.variables(),
            "MCP_PUBLIC_URL": self.server,
            "MCP_PORT": str(self._server_port),
            "OAUTH_CALLBACK_PORT": str(callback_port),
            "MODEL": "offline",
        }
        self._running: dict[str, tuple[ExitStack, subprocess.Popen[bytes]]] = {}

    def start_provider(self, *, short_lived: bool = False) -> None:
        """Start the provider, and wait until it answers."""
        self.provider.configure(short_lived=short_lived)
        environment = {**os.environ, **self.provider.environment()}
        process = self._start("provider", self.provider.command(), environment)
        self._await_answer(self._discovery, process)

    def start_server(self) -> None:
        """Start the MCP server, and wait until it is alive. It is ready only when the provider answers."""
        command = [sys.executable, "-m", "gatehouse_server"]
        process = self._start("server", command, {**self._without_settings(), **self.variables})
        wait_for_status(f"{self._origin}/livez", 200, process)

    def stop(self, name: str) -> None:
        """Terminate `provider` or `server`."""
        stack, _ = self._running.pop(name)
        stack.close()

    def close(self) -> None:
        """Terminate what runs."""
        for name in list(self._running):
            self.stop(name)

    def is_ready(self) -> bool:
        """Whether the server says that it is ready."""
        return httpx2.get(f"{self._origin}/readyz").status_code == 200

    def published_keys(self) -> set[str]:
        """The ids of the keys that the provider publishes."""
        uri = self._get(self._discovery).json()["jwks_uri"]
        return {str(key["kid"]) for key in self._get(uri).json()["keys"]}

    def rotate_keys(self) -> None:
        """Let the provider sign with a new key, and wait until it is published.

        Raises:
            CannotDo: the provider has only one key.
        """
        before = self.published_keys()
        _, process = self._running["provider"]
        self.provider.rotate_keys(process)
        wait_until("a new key is published", lambda: bool(self.published_keys() - before))

    def agent(
        self, *arguments: str, home: Path, user: str = ALICE, browser: bool = True, **more: str
    ) -> subprocess.CompletedProcess[str]:
        """Run the agent's command line. With `browser`, a scripted one signs `user` in; else none can be opened.

        Raises:
            Miss: it printed a traceback, or did not end.
        """
        environment = {
            **self._without_settings(),
            **self.variables,
            "GATEHOUSE_HOME": str(home),
            "GATEHOUSE_KEYRING": "0",
            "BROWSER": SCRIPTED_BROWSER if browser else NO_BROWSER,
            "ROBOT_USER": user,
            "ROBOT_PASSWORD": PASSWORDS[user],
            "OAUTH_CALLBACK_TIMEOUT": "60",
            **more,
        }
        command = [sys.executable, "-m", "gatehouse_client", *arguments]
        try:
            done = run(command, cwd=home, env=environment, timeout=COMMAND_SECONDS)
        except subprocess.TimeoutExpired as error:
            raise Miss(f"`gatehouse {' '.join(arguments)}` did not end in {COMMAND_SECONDS} s") from error
        if _TRACEBACK in done.stderr:
            raise Miss(f"`gatehouse {' '.join(arguments)}` printed a traceback: {done.stderr}")
        return done

    def succeed(self, *arguments: str, home: Path, user: str = ALICE, browser: bool = True) -> str:
        """The output of a command of the agent that must succeed.

        Raises:
            Miss: it failed.
        """
        done = self.agent(*arguments, home=home, user=user, browser=browser)
        if done.returncode != 0:
            said = _without_urls(done.stderr + done.stdout)
            raise Miss(f"`gatehouse {' '.join(arguments)}` ended with {done.returncode}: {said}")
        return done.stdout

    def signed_in(self, name: str, user: str = ALICE) -> Path:
        """A home folder of the agent, with `user` signed in.

        Raises:
            Miss: the sign-in failed.
        """
        home = self.folder / name
        home.mkdir()
        self.succeed("login", home=home, user=user)
        return home

    def token(self, home: Path) -> str:
        """The access token that the agent has; without a sign-in.

        Raises:
            Miss: there is none.
        """
        return self.succeed("token", "--raw", home=home, browser=False).strip()

    def call(self, token: str) -> httpx2.Response:
        """Send one request with this token to the MCP server."""
        headers = {
            "Accept": "application/json, text/event-stream",
            "MCP-Protocol-Version": "2025-11-25",
            "Authorization": f"Bearer {token}",
        }
        return httpx2.post(self.server, headers=headers, json=_BODY)

    @property
    def _origin(self) -> str:
        return self.server.removesuffix("/mcp")

    @property
    def _discovery(self) -> str:
        return f"{self.provider.issuer.rstrip('/')}/.well-known/openid-configuration"

    def _get(self, url: str) -> httpx2.Response:
        authority = self.provider.authority
        trusted = httpx2.create_ssl_context()
        if authority is not None:
            trusted.load_verify_locations(authority)
        return httpx2.get(url, verify=trusted)

    def _await_answer(self, url: str, process: subprocess.Popen[bytes]) -> None:
        def answers() -> bool:
            assert process.poll() is None, f"the provider ended with {process.poll()}: {self._log('provider')}"
            try:
                return self._get(url).status_code == 200
            except httpx2.TransportError:
                return False

        wait_until(f"{url} answers", answers)

    def _start(self, name: str, command: list[str], environment: dict[str, str]) -> subprocess.Popen[bytes]:
        stack, log = ExitStack(), self.folder / f"{name}.log"
        process = stack.enter_context(running_process(command, environment, self.folder, log=log))
        self._running[name] = stack, process
        return process

    def _log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(encoding="utf-8")[-2000:]

    def _without_settings(self) -> dict[str, str]:
        return environment_without_settings("OIDC_", "OAUTH_", "GATEHOUSE_", "COMPOSE_")


def _without_urls(text: str) -> str:
    """The text without the long URLs of sign-ins."""
    return re.sub(r"(https?://\S+?)\?\S+", r"\1?...", text).strip()
