"""The end-to-end suite, in either runtime, against a stack of its own."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Sequence

import docker
import local
import packages
from environment import ROOT
from report import Problem, say

PROJECT = "gatehouse-e2e"
SECONDS = 120
SUITE = "tests/e2e"
# Only these tests depend on the containers. The agent behaves the same against any stack.
SCRIPTED_BROWSER = "tests/support/scripted_browser.py"
OF_THE_STACK = f"{SUITE}/stack"
WITHOUT_THE_STACK = f"--ignore={OF_THE_STACK}"
PARALLEL = ("-n", str((os.cpu_count() or 1) + 1), "--dist", "worksteal")
"""One test more at once than there are processors: some wait, for a process or a time limit."""
REPLICAS = ("--scale", "server=3")
_KEPT = ("PATH", "HOME", "LANG", "TERM", "NO_COLOR")
FILES = ("--env-file", ".env.example", "-f", "docker-compose.yml", "-f", "tests/e2e/compose.yml")


def in_local_processes(chosen: Sequence[str] = ()) -> int:
    """The suite starts its own processes on free ports."""
    packages.ensure()
    return local.run([str(packages.PYTHON), "-m", "pytest", *(chosen or (*PARALLEL, SUITE))])


def build() -> None:
    """Build the images of the suite's stack: every service's.

    Raises:
        Problem: an image could not be built.
    """
    _compose("--profile", "*", "build", "--quiet")


def in_docker(chosen: Sequence[str] = ()) -> int:
    """What concerns the stack runs in a container against a Compose project of its own, without published ports.

    The project comes up in both orders: first the server without the tenant (it must live, and not be ready), then
    the tenant; the natural order is the second start.
    """
    try:
        build()
        _compose("up", "--detach", "--wait", "--no-deps", *REPLICAS, "gateway", "server")
        say("server up before the tenant: alive, and not ready")
        _probe("alive-not-ready")
        _compose("up", "--detach", "--wait", *REPLICAS, "gateway", "server", "mock-idp")
        say("tenant up: ready")
        _probe("ready")
        return _suite(chosen or [OF_THE_STACK]) or (0 if chosen else _sign_in_from_the_agents_container())
    finally:
        _run("--profile", "*", "down", "--remove-orphans", "--volumes", "--timeout", "10")


def _suite(tests: Sequence[str]) -> int:
    pytest = ("python", "-m", "pytest", "-p", "no:cacheprovider", *tests)
    return _run("run", "--rm", "--no-TTY", "--no-deps", "e2e", *pytest)


def _sign_in_from_the_agents_container() -> int:
    """The address is printed, a browser outside the container opens it, and the callback arrives in the container."""
    say("the agent's container: sign-in with a browser elsewhere")
    login = _command("run", "--rm", "--no-TTY", "--no-deps", "client", "login")
    process = subprocess.Popen(
        login, cwd=ROOT, env=_environment(), stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    killer = threading.Timer(SECONDS, process.kill)
    killer.start()
    try:
        assert process.stderr is not None
        said = []
        for line in process.stderr:
            said.append(line)
            if "/authorize?" in line:
                _run("run", "--rm", "--no-TTY", "--no-deps", "e2e", "python", SCRIPTED_BROWSER, line.strip())
        if process.wait() != 0:
            raise Problem(f"The agent's container did not sign in:\n{''.join(said)}")
    finally:
        killer.cancel()
    return 0


def _probe(state: str) -> None:
    _compose("run", "--rm", "--no-TTY", "--no-deps", "e2e", "python", f"{SUITE}/check_health.py", state)


def _compose(*arguments: str) -> None:
    if _run(*arguments) != 0:
        _run("--profile", "*", "logs", "--tail", "30")
        raise Problem(
            f"`docker compose {' '.join(arguments[:4])} ...` failed (project {PROJECT}): see the lines above."
        )


def _run(*arguments: str) -> int:
    return subprocess.run(_command(*arguments), cwd=ROOT, env=_environment(), check=False).returncode


def _command(*arguments: str) -> list[str]:
    return docker.compose("--progress", "quiet", *FILES, *arguments, project=PROJECT)


def _environment() -> dict[str, str]:
    # The suite's stack is the offline one, whatever the shell's variables name.
    return {name: value for name, value in os.environ.items() if name in _KEPT or name.startswith("DOCKER_")}
