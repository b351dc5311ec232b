"""The end-to-end tests, in both runtimes, against a separate stack."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Sequence

import docker
import local
import packages
from environment import ROOT
from report import Problem, progress, say

PROJECT = "gatehouse-e2e"
SECONDS = 120
SUITE = "tests/e2e"
# Only these tests depend on the containers. The agent behaves the same against any stack.
SCRIPTED_BROWSER = "tests/support/scripted_browser.py"
STACK_TESTS = f"{SUITE}/stack"
IMAGE_TESTS = "tests/image"
WITHOUT_THE_STACK = f"--ignore={STACK_TESTS}"
PROCESSORS = os.cpu_count() or 1
PARALLEL = ("-n", str(PROCESSORS + 1), "--dist", "worksteal")
"""One more test at a time than there are processors, because some tests wait for a process or a time limit."""
ALL = ("-n", str(PROCESSORS + 2), "--dist", "loadfile", "--no-loadscope-reorder", WITHOUT_THE_STACK)
"""For all tests: who runs which is in `tests/support/workers.py`."""
REPLICAS = ("--scale", "server=3")
_KEPT_VARIABLES = ("PATH", "HOME", "LANG", "TERM", "NO_COLOR")
FILES = ("--env-file", ".env.example", "-f", "docker-compose.yml", "-f", "tests/e2e/compose.yml")


def in_local_processes(chosen: Sequence[str] = ()) -> int:
    """Run the suite, which starts its own processes on free ports."""
    packages.ensure()
    return local.run([str(packages.PYTHON), "-m", "pytest", *(chosen or (*PARALLEL, SUITE))])


def build() -> None:
    """Build the images of all services.

    Raises:
        Problem: an image could not be built.
    """
    with progress("Building the images of the tests (the first time takes minutes, then seconds)", after=1.5):
        _compose("--profile", "*", "build", "--quiet")


def in_docker(chosen: Sequence[str] = ()) -> int:
    """Run the tests of the stack in a container, against a separate Compose project without published ports.

    First the server starts without the tenant: it must be alive and not ready. Then the whole stack starts, and the
    server must become ready. At last the containers are examined, and the tenant's
    image runs by itself.
    """
    try:
        build()
        if chosen and chosen[0].startswith(IMAGE_TESTS):
            return _images("", chosen)
        with progress("Starting three servers without the tenant"):
            _compose("up", "--detach", "--wait", "--no-deps", *REPLICAS, "gateway", "server")
        say("server without the tenant: alive, not ready")
        _check_health("alive-not-ready")
        with progress("Starting the tenant"):
            _compose("up", "--detach", "--wait", *REPLICAS, "gateway", "server", "mock-idp")
        say("server with the tenant: ready")
        _check_health("ready")
        failed = _pytest(chosen or [STACK_TESTS])
        return failed or (0 if chosen else _sign_in_from_the_agents_container() or _images(PROJECT))
    finally:
        _run("--profile", "*", "down", "--remove-orphans", "--volumes", "--timeout", "10")


def _pytest(tests: Sequence[str]) -> int:
    pytest = ("python", "-m", "pytest", "-p", "no:cacheprovider", *tests)
    return _run("run", "--rm", "--no-TTY", "--no-deps", "e2e", *pytest)


def _images(running: str, tests: Sequence[str] = (IMAGE_TESTS,)) -> int:
    """Examine the containers of the running project and the images, and run the recipes that need Docker."""
    say("the containers, and the tenant's image by itself")
    packages.ensure()
    python = packages.separate_environment("testcontainers", ROOT / IMAGE_TESTS / "requirements.in")
    return local.run(
        [str(packages.PYTHON), "-m", "pytest", *tests],
        E2E_PROJECT=running,
        MOCK_IDP_IMAGE=f"{PROJECT}-mock-idp",
        CLIENT_IMAGE=f"{PROJECT}-client",
        TESTCONTAINERS_PYTHON=str(python),
    )


def _sign_in_from_the_agents_container() -> int:
    """Sign in from the agent's container with a browser outside it: the callback must arrive in the container."""
    say("sign-in from the agent's container, with a browser outside it")
    login = _command("run", "--rm", "--no-TTY", "--no-deps", "client", "login")
    process = subprocess.Popen(
        login, cwd=ROOT, env=_environment(), stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    killer = threading.Timer(SECONDS, process.kill)
    killer.start()
    try:
        assert process.stderr is not None
        lines = []
        for line in process.stderr:
            lines.append(line)
            if "/authorize?" in line:
                _run("run", "--rm", "--no-TTY", "--no-deps", "e2e", "python", SCRIPTED_BROWSER, line.strip())
        if process.wait() != 0:
            raise Problem(f"The agent's container did not sign in:\n{''.join(lines)}")
    finally:
        killer.cancel()
    return 0


def _check_health(state: str) -> None:
    _compose("run", "--rm", "--no-TTY", "--no-deps", "e2e", "python", f"{SUITE}/check_health.py", state)


def _compose(*arguments: str) -> None:
    if _run(*arguments) != 0:
        _run("--profile", "*", "logs", "--tail", "30")
        raise Problem(
            f"`docker compose {' '.join(arguments[:4])} ...` failed (project {PROJECT}). The lines above show why."
        )


def _run(*arguments: str) -> int:
    return subprocess.run(_command(*arguments), cwd=ROOT, env=_environment(), check=False).returncode


def _command(*arguments: str) -> list[str]:
    return docker.compose("--progress", "quiet", *FILES, *arguments, project_name=PROJECT)


def _environment() -> dict[str, str]:
    # The suite always uses the offline tenant, so variables of the shell must not reach its stack.
    kept = {name: value for name, value in os.environ.items() if name in _KEPT_VARIABLES or name.startswith("DOCKER_")}
    return {**kept, "COMPOSE_PROFILES": "mock"}
