"""The docker runtime: the stack as containers, run by Compose."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys

from environment import ROOT, Environment, load, require_free_ports, wait_until
from report import Problem, coloured, say

PROJECT = "gatehouse"


def available() -> str | None:
    """The reason why Docker cannot be used here, or None."""
    if shutil.which("docker") is None:
        return "the docker command is not installed"
    if _quiet(["docker", "compose", "version"]).returncode != 0:
        return "the Compose plugin (docker compose) is not installed"
    try:
        engine = _quiet(["docker", "info", "--format", "{{.ServerVersion}}"], timeout=10)
    except subprocess.TimeoutExpired:
        return "the Docker engine does not answer"
    return None if engine.returncode == 0 else "no Docker engine is running, or you have no permission to use it"


def is_up() -> bool:
    """Whether containers of the stack are running."""
    return bool(_quiet(compose("ps", "--quiet")).stdout.strip())


def up(environment: Environment) -> None:
    """Build and start the stack, and wait until it answers.

    Raises:
        Problem: a port is in use, or a container did not become healthy.
    """
    if not is_up():
        require_free_ports(environment.ports() | environment.callback_port())
    variables = _variables(environment)
    say("Building the images (the first time takes minutes, then seconds) ...")
    _build()
    if run(compose(*_progress(), "up", "--detach", "--wait", "--remove-orphans"), **variables) != 0:
        run(compose("ps", "--all"))
        run(compose("logs", "--tail", "20"))
        raise Problem("The containers did not start. The lines above show which one failed, and why.")
    wait_until(f"{environment.server_url}/readyz")


def down(*, volumes: bool = False) -> bool:
    """Stop and remove containers and networks. Returns whether there were any."""
    was_up = bool(_quiet(compose("ps", "--all", "--quiet")).stdout.strip())
    extra = ["--volumes"] if volumes else []
    if was_up or volumes:
        run(compose(*_progress(), "--profile", "*", "down", "--remove-orphans", "--timeout", "15", *extra))
    return was_up


def logs(*, follow: bool) -> None:
    """Print the containers' logs; with `follow` also new lines, until interrupted."""
    command = compose("logs", "--tail", "200", *(["--follow"] if follow else []))
    os.chdir(ROOT)
    os.execvp(command[0], command)


def client(arguments: list[str]) -> int:
    """Run the `gatehouse` command in the agent's container, in the gateway's network if the gateway runs."""
    terminal = [] if os.isatty(0) and os.isatty(1) else ["--no-TTY"]
    gateway = _gateway()
    if not gateway and is_up():
        # The stack did not start completely: the gateway starts last, and the agent reaches the rest only through it.
        run(compose(*_progress(), "up", "--detach", "--no-deps", "gateway"))
        gateway = _gateway()
    if not gateway:
        say("Building the agent's image (the first time takes a minute, then seconds) ...")
    variables = _variables(load())
    variables["CLIENT_NETWORK"] = f"container:{gateway}" if gateway else "bridge"
    return _run_once("client", arguments, [*terminal, "--no-deps"], **variables)


def demo() -> int:
    """Run the demo against the running stack."""
    colour = ["--env", "FORCE_COLOR=1"] if coloured() else []
    return _run_once("e2e", ["python", "tests/e2e/run_demo.py"], ["--no-TTY", *colour])


def compose(*arguments: str, project: str = PROJECT) -> list[str]:
    """A Compose command line of the project."""
    return ["docker", "compose", "--project-name", project, *arguments]


def run(command: list[str], **variables: str) -> int:
    """Run a command from the project's folder."""
    return subprocess.run(command, cwd=ROOT, env={**os.environ, **variables}, check=False).returncode


def _run_once(service: str, arguments: list[str], options: list[str], **variables: str) -> int:
    _build(service)
    return run(compose("--progress", "quiet", "run", "--rm", *options, service, *arguments), **variables)


def _variables(environment: Environment) -> dict[str, str]:
    """Variables that Compose cannot resolve itself: secrets in files, and the absolute path of AUTH0_CA_FILE."""
    variables = environment.secrets(_passed_variables())
    if path := environment["AUTH0_CA_FILE"]:
        authority = (ROOT / path).resolve()
        if not authority.is_file():
            raise Problem(
                f"AUTH0_CA_FILE is {path!r}: there is no such file. A file with certificates in PEM is valid."
            )
        variables["AUTH0_CA_FILE"] = str(authority)
    return variables


def _passed_variables() -> list[str]:
    """The variables that the Compose file passes to containers by value."""
    return sorted(set(re.findall(r"\$\{(\w+)", (ROOT / "docker-compose.yml").read_text(encoding="utf-8"))))


def _gateway() -> str:
    """The id of the gateway's running container, or an empty string."""
    return _quiet(compose("ps", "--quiet", "gateway")).stdout.strip()


def _build(*services: str) -> None:
    """Build the images. Prints nothing if it succeeds."""
    done = _quiet(compose("build", "--quiet", *services), timeout=1800)
    if done.returncode != 0:
        raise Problem(f"Building the images failed:\n{(done.stdout + done.stderr).strip()[-2000:]}")


def _progress() -> list[str]:
    return [] if sys.stdout.isatty() else ["--progress", "quiet"]


def _quiet(command: list[str], timeout: float = 60) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=timeout)
