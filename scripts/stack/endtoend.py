"""The end-to-end suite, in either runtime, against a stack of its own."""

from __future__ import annotations

import os
import subprocess

import docker
import local
import packages
from environment import ROOT
from report import Problem, say

PROJECT = "gatehouse-e2e"
SUITE = "tests/e2e"
# What the containers could change; the agent's own ways and words are the same against any stack.
OF_THE_STACK = ("story", "tokens", "operations", "refresh", "revisions", "other_clients", "demo")
PARALLEL = ("-n", "auto", "--dist", "worksteal")
"""As many tests at once as there are processors."""
REPLICAS = ("--scale", "server=3")
_KEPT = ("PATH", "HOME", "LANG", "TERM", "NO_COLOR")
FILES = ("--env-file", ".env.example", "-f", "docker-compose.yml", "-f", "tests/e2e/compose.yml")


def in_local_processes() -> int:
    """The suite starts its own processes on free ports."""
    packages.ensure()
    return local.run([str(packages.PYTHON), "-m", "pytest", *PARALLEL, SUITE])


def in_docker() -> int:
    """The suite runs in a container against a Compose project of its own, without published ports.

    The project comes up in both orders: first the server without the tenant (it must live, and not be ready), then
    the tenant; the natural order is the second start.
    """
    try:
        _compose("--profile", "*", "build", "--quiet")
        _compose("up", "--detach", "--wait", "--no-deps", *REPLICAS, "gateway", "server")
        say("server up before the tenant: alive, and not ready")
        _probe("alive-not-ready")
        _compose("up", "--detach", "--wait", *REPLICAS, "gateway", "server", "mock-idp")
        say("tenant up: ready")
        _probe("ready")
        return _suite()
    finally:
        _run("--profile", "*", "down", "--remove-orphans", "--volumes", "--timeout", "10")


def _suite() -> int:
    files = [f"{SUITE}/test_{name}.py" for name in OF_THE_STACK]
    pytest = ("python", "-m", "pytest", "-p", "no:cacheprovider", *files)
    return _run("run", "--rm", "--no-TTY", "--no-deps", "e2e", *pytest)


def _probe(state: str) -> None:
    _compose("run", "--rm", "--no-TTY", "--no-deps", "e2e", "python", f"{SUITE}/probe.py", state)


def _compose(*arguments: str) -> None:
    if _run(*arguments) != 0:
        _run("--profile", "*", "logs", "--tail", "30")
        raise Problem(
            f"`docker compose {' '.join(arguments[:4])} ...` failed (project {PROJECT}): see the lines above."
        )


def _run(*arguments: str) -> int:
    # The suite's stack is the offline one, whatever the shell's variables name.
    kept = {name: value for name, value in os.environ.items() if name in _KEPT or name.startswith("DOCKER_")}
    command = docker.compose("--progress", "quiet", *FILES, *arguments, project=PROJECT)
    return subprocess.run(command, cwd=ROOT, env=kept, check=False).returncode
