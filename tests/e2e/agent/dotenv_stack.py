"""A stack that only `.env` configures, as a person configures it for a real tenant. Its tenant has a CA of its own."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.processes import ROOT, environment_without_settings, running_process, wait_for_status
from tests.support.quick_python import run
from tests.support.stack import SCRIPTED_BROWSER

PASSWORDS = {"carol@example.org": "Lighthouse-3", "dave@example.org": "Harbour-4"}


@dataclass(frozen=True)
class DotenvStack:
    """A tenant over TLS, and a folder whose `.env` names it.

    Attributes:
        ca_file: the certificate of the tenant's CA. A real tenant's certificate does not need it.
    """

    folder: Path
    domain: str
    mcp_url: str
    ca_file: Path

    @property
    def environment(self) -> dict[str, str]:
        """A process's environment: of all settings it has the CA only."""
        plain = environment_without_settings("OAUTH_", "GATEHOUSE_", "COMPOSE_", "OIDC_")
        return {**plain, "AUTH0_CA_FILE": str(self.ca_file)}

    def gatehouse(self, *arguments: str, user: str = "carol@example.org") -> subprocess.CompletedProcess[str]:
        """Run the agent's command line; the scripted browser signs `user` in."""
        browser = {"ROBOT_USER": user, "ROBOT_PASSWORD": PASSWORDS[user], "BROWSER": SCRIPTED_BROWSER}
        home = {"GATEHOUSE_HOME": str(self.folder / user), "GATEHOUSE_KEYRING": "0"}
        command = [sys.executable, "-m", "gatehouse_client", *arguments]
        return run(command, env={**self.environment, **browser, **home}, cwd=self.folder, timeout=90)

    @contextmanager
    def server(self) -> Iterator[None]:
        """Run the MCP server and wait until it is ready."""
        command = [sys.executable, "-m", "gatehouse_server"]
        with running_process(command, self.environment, self.folder, log=self.folder / "server.log") as process:
            wait_for_status(f"{self.mcp_url.removesuffix('/mcp')}/readyz", 200, process)
            yield


def dotenv_example(changes: dict[str, str]) -> str:
    """`.env.example` with other values for some of its variables."""
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    for name, value in changes.items():
        text, count = re.subn(rf"^(# )?{name}=.*$", f"{name}={value}", text, flags=re.MULTILINE)
        assert count == 1, name
    return text
