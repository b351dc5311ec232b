"""What a judge needs to know about an identity provider: how it is started, and what Gatehouse's `.env` says of it."""

from __future__ import annotations

import subprocess
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path

from tests.support.judged import CannotDo

PERMISSIONS = ("access:mcp", "time:convert")
CLIENT_ID = "gatehouse-agent"
CLIENT_SECRET = "the-secret-of-the-agent-at-a-provider-of-the-tests"
ALICE, BOB = "alice@example.com", "bob@example.com"
PASSWORDS = {ALICE: "Wonderland-1", BOB: "Builder-2"}
"""The users. Only alice may use the server."""


@dataclass(frozen=True)
class Place:
    """Where a provider runs, and what it runs with.

    Attributes:
        folder: its files.
        port: its port on this machine.
        server: the MCP server's URL, which is the API's identifier.
        callback: where it sends the browser after a sign-in.
        modules: the folder node_modules.
        python: a Python with the providers from PyPI.
    """

    folder: Path
    port: int
    server: str
    callback: str
    modules: Path
    python: Path


class Provider(ABC):
    """An identity provider, as a process on this machine. Its users are alice and bob, its client is the agent.

    Attributes:
        name: a word for the command line.
        setting: how it is set up, for the table.
        package: its package, whose version is in package.json or requirements.in.
        authority: the certificate of its own authority; None if it is served over http.
    """

    name: str
    setting: str
    package: str
    authority: Path | None = None

    def __init__(self, place: Place) -> None:
        self.place = place

    @property
    def issuer(self) -> str:
        """Its issuer, byte for byte."""
        return f"http://localhost:{self.place.port}"

    def variables(self) -> dict[str, str]:
        """The lines of `.env` for the server and the agent. By default permissions are scopes."""
        return {
            "OIDC_ISSUER": self.issuer,
            "OIDC_AUDIENCE": self.place.server,
            "OIDC_CLIENT_ID": CLIENT_ID,
            "OIDC_CLIENT_SECRET": CLIENT_SECRET,
        }

    @abstractmethod
    def configure(self, *, short_lived: bool) -> None:
        """Write its configuration. Its state (users, keys) must survive a restart.

        Args:
            short_lived: access tokens expire as soon as the provider allows; else they live for an hour.
        """

    @abstractmethod
    def command(self) -> list[str]:
        """The command that serves until it is terminated."""

    def environment(self) -> dict[str, str]:
        """Further environment variables of the command."""
        return {}

    def rotate_keys(self, process: subprocess.Popen[bytes]) -> None:
        """Sign with a new key from now on. The key before it stays published for some time.

        Raises:
            CannotDo: it has only one key.
        """
        raise CannotDo("it has no rotation of keys")
