"""The docker runtime, as far as it can be seen without Docker: what is asked of a `docker` that only writes it down."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from processes import ROOT

_DOCKER = """#!/bin/sh
echo "CLIENT_NETWORK=$CLIENT_NETWORK $*" >> {journal}
case "$*" in
    *" ps --quiet") echo {running} ;;
    *" ps --quiet gateway") echo {gateway} ;;
esac
"""


@dataclass(frozen=True)
class Docker:
    """A `docker` in front of the path."""

    folder: Path

    def __call__(self, *command: str, running: str = "", gateway: str = "") -> subprocess.CompletedProcess[str]:
        """Run `scripts/stack`.

        Args:
            running: the id of a container of the stack.
            gateway: the id of the gateway's.
        """
        program = self.folder / "docker"
        program.write_text(_DOCKER.format(journal=self.journal, running=running, gateway=gateway), encoding="utf-8")
        program.chmod(0o755)
        return subprocess.run(
            [sys.executable, "scripts/stack", "--runtime", "docker", *command],
            cwd=ROOT,
            env={
                **os.environ,
                "PATH": f"{self.folder}{os.pathsep}{os.environ['PATH']}",
                "STACK_RUN_DIR": str(self.folder),
            },
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    @property
    def journal(self) -> Path:
        return self.folder / "journal"

    def asked(self, part: str) -> list[str]:
        """The command lines that have `part` in them."""
        return [line for line in self.journal.read_text(encoding="utf-8").splitlines() if part in line]


@pytest.fixture
def docker(tmp_path: Path) -> Docker:
    return Docker(tmp_path)


def test_with_nothing_running_the_agents_command_runs_alone_and_starts_nothing(docker: Docker) -> None:
    done = docker("client", "tenant", "plan")
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert "`make up` starts it" in done.stderr
    (ran,) = docker.asked(" run ")
    assert ran.startswith("CLIENT_NETWORK=bridge ")
    assert ran.endswith(" run --rm --no-TTY --no-deps client tenant plan")
    assert docker.asked(" up ") == []


def test_the_agents_command_shares_the_running_gateways_network(docker: Docker) -> None:
    done = docker("client", "tools", running="one", gateway="two")
    assert done.returncode == 0, done.stderr
    assert "make up" not in done.stderr
    (ran,) = docker.asked(" run ")
    assert ran.startswith("CLIENT_NETWORK=container:two ")
    assert docker.asked(" up ") == []


def test_of_a_stack_that_did_not_come_up_only_the_gateway_is_started(docker: Docker) -> None:
    done = docker("client", "doctor", running="one")
    assert done.returncode == 0, done.stderr
    (started,) = docker.asked(" up ")
    assert started.endswith(" up --detach --no-deps gateway")
