"""The client's commands as whole processes: their CPU time and wall time, compared with a script on the MCP SDK."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from gatehouse_client.storage.grant import Grant
from gatehouse_client.storage.token_store import TokenStore
from ratios import Ratio
from server_processes import HERE
from token_issuer import AUDIENCE

CLIENT = HERE.parent / "client" / "src"
CLIENT_ID = "benchmark"
SCRIPT = "script on the MCP SDK"
CALL, ASK, HELP = "gatehouse call", "gatehouse ask, offline", "gatehouse --help"
RATIOS = (
    Ratio("gatehouse call, relative to the script", CALL, SCRIPT, 1.3, at_most=True),
    Ratio("gatehouse ask (offline), relative to call", ASK, CALL, 1.8, at_most=True),
    Ratio("gatehouse --help, relative to the script", HELP, SCRIPT, 0.3, at_most=True),
)


@dataclass
class Process:
    """A command, and for each run its CPU time (user and system) and wall time in milliseconds.

    Attributes:
        expected: a text of the output, which shows that the command did its work.
    """

    command: list[str]
    expected: str
    cpu: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)

    def run(self, folder: Path, variables: dict[str, str]) -> None:
        """One run.

        Raises:
            RuntimeError: the command failed, or its output lacks the expected text.
        """
        began = time.monotonic()
        process = subprocess.Popen(
            self.command, env=variables, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert process.stdout is not None
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.stdout.close()
        process.returncode = os.waitstatus_to_exitcode(status)
        self.wall.append((time.monotonic() - began) * 1000)
        self.cpu.append((usage.ru_utime + usage.ru_stime) * 1000)
        if process.returncode != 0 or self.expected not in output:
            raise RuntimeError(f"{' '.join(self.command[1:])} ended with {process.returncode}: {output}")


def measure(python: Path, url: str, issuer: str, token: str, folder: Path, rounds: int) -> dict[str, Process]:
    """Run each command `rounds` times, interleaved. The client is signed in: its token is stored.

    Args:
        python: a Python with the packages of the client's image.
        url: the running server.
    """
    home = folder / "home"
    _sign_in(home, url, issuer, token)
    variables = {
        **{name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "TZ")},
        "PYTHONPATH": str(CLIENT),
        "GATEHOUSE_HOME": str(home),
        "MCP_PUBLIC_URL": url,
        "AUTH0_ISSUER": issuer,
        "AUTH0_CLIENT_ID": CLIENT_ID,
    }
    gatehouse = [str(python), "-m", "gatehouse_client"]
    processes = {
        SCRIPT: Process([str(python), str(HERE / "subjects" / "sdk_script.py"), url, token, "get_time"], "timezone"),
        CALL: Process([*gatehouse, "call", "get_time"], "timezone"),
        ASK: Process([*gatehouse, "ask", "what time is it?"], "It is "),
        HELP: Process([*gatehouse, "--help"], "whoami"),
    }
    for process in processes.values():  # compiles the modules
        process.run(folder, variables)
        process.cpu.clear()
        process.wall.clear()
    for number in range(rounds):
        for process in random.sample([*processes.values()], len(processes)):
            process.run(folder, variables)
        sys.stderr.write(f"\rclient, round {number + 1} of {rounds} ")
    sys.stderr.write("\n")
    return processes


def _sign_in(home: Path, url: str, issuer: str, token: str) -> None:
    now = time.time()
    TokenStore(home, print).save(
        Grant(
            server=url,
            resource=AUDIENCE,
            issuer=issuer,
            client_id=CLIENT_ID,
            token_endpoint=f"{issuer}oauth/token",
            token_endpoint_auth_method="none",
            access_token=token,
            obtained_at=now,
            expires_at=now + 3600,
        )
    )
