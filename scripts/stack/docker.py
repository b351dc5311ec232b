"""The docker runtime: the stack as containers, run by Compose."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

import packages
import ports
from environment import (
    AUTHORITY,
    DOTENV,
    LOOPBACK_HOSTS,
    PRODUCTION,
    ROOT,
    START_SECONDS,
    Environment,
    load,
    wait_until_ready,
)
from report import Problem, coloured, progress

DEMO_FILES = ("tests/e2e/run_demo.py", "tests/support/scripted_browser.py")
PRODUCTION_FILE = "docker-compose.prod.yml"
PUBLIC_HOST_FILE = "gateway/public-host.yml"
BUILD_AUTHORITIES_FILE = "gateway/build-authorities.yml"
STOP_SECONDS = 15
"""How long a container may take to stop: the server's drain, and its calls that run."""
_BUILD_ARGUMENTS = (
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy"),
    *("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_TRUSTED_HOST", "UV_DEFAULT_INDEX", "UV_INDEX", "UV_INSECURE_HOST"),
)
_LOOK = ("NO_COLOR", "TERM", "COLORTERM")
"""What the person's terminal can show and what they want to see: the agent's container does not know it by itself."""
MAX_SECRET = 500 * 1024  # bytes; BuildKit refuses larger secrets


def available() -> str | None:
    """The reason why Docker cannot be used here, or None."""
    if shutil.which("docker") is None:
        return "the docker command is not installed"
    if quiet(["docker", "compose", "version"]).returncode != 0:
        return "the Compose plugin (docker compose) is not installed"
    try:
        engine = quiet(["docker", "info", "--format", "{{.ServerVersion}}"], timeout=10)
    except subprocess.TimeoutExpired:
        return "the Docker engine does not answer"
    return None if engine.returncode == 0 else "no Docker engine is running, or you have no permission to use it"


def is_up() -> bool:
    """Whether containers of the stack run."""
    return bool(quiet(compose("ps", "--quiet")).stdout.strip()) and other_clone() is None


def up(environment: Environment) -> None:
    """Build and start the stack, and wait until it answers.

    Raises:
        Problem: a port is in use, or a container did not become healthy.
    """
    _require_own_project()
    ours = _published_ports()
    wanted = environment.ports() | environment.callback_port()
    ports.require_free({name: port for name, port in wanted.items() if port not in ours})
    variables = _variables(environment)
    # The agent's image also, because the agent is usually the next command. Compose builds images at the same time.
    _build("server", "client", *(["mock-idp"] if environment.offline else []), **variables)
    if environment.own_tls:
        _certificate(environment, variables)
    start(**variables)
    wait_until_ready(environment)


def have_changed(service: str, **variables: str) -> bool:
    """Whether containers of the service run with another configuration than the present one."""
    _, _, present = quiet(compose("config", "--hash", service), **variables).stdout.strip().partition(" ")
    label = '{{index .Config.Labels "com.docker.compose.config-hash"}}'
    running = quiet(["docker", "inspect", "--format", label, *_containers(service)]).stdout.split()
    return any(each != present for each in running)


def start(*services: str, **variables: str) -> None:
    """Start the containers, or those whose configuration has changed, and wait until they are healthy.

    Raises:
        Problem: a container did not become healthy.
    """
    with progress("Starting the containers (usually 5 to 15 s)"):
        started = quiet(compose("up", "--detach", "--wait", "--remove-orphans", *services), timeout=1800, **variables)
    if started.returncode != 0:
        sys.stderr.write(started.stderr)
        run(compose("ps", "--all"), **variables)
        run(compose("--profile", "*", "logs", "--tail", "20"), **variables)
        raise Problem("The containers did not start. The lines above show which one failed, and why.")


def down(*, volumes: bool = False) -> bool:
    """Stop and remove containers and networks. Returns whether there were any. Another clone's stack stays."""
    if other_clone() is not None:
        return False
    was_up = bool(quiet(compose("ps", "--all", "--quiet")).stdout.strip())
    extra = ["--volumes"] if volumes else []
    if was_up or volumes:
        run(compose(*_progress(), "--profile", "*", "down", "--remove-orphans", "--timeout", str(STOP_SECONDS), *extra))
    return was_up


def restart(environment: Environment) -> None:
    """Replace each server by a new one from the current source and settings."""
    variables = _variables(environment)
    _build("server", **variables)
    replace_servers(**variables)


def replace_servers(**variables: str) -> None:
    """Replace each server by a new one, one after the other.

    A new server must be healthy before an old one stops, so no call is lost.

    Raises:
        Problem: a new server did not become healthy; the old ones that are left still run.
    """
    old = _containers("server")
    for number, container in enumerate(old, 1):
        with progress(f"Replacing server {number} of {len(old)}"):
            before = _containers("server")
            scaled = ("--no-deps", "--no-recreate", "--scale", f"server={len(before) + 1}")
            started = quiet(compose("up", "--detach", *scaled, "server"), timeout=600, **variables)
            new = [each for each in _containers("server") if each not in before]
            if started.returncode != 0 or not all(map(_becomes_healthy, new)):
                said = started.stderr if started.returncode else _last_lines(*new)
                quiet(["docker", "rm", "--force", "--volumes", *new])
                raise Problem(
                    f"The new server did not start. The {len(before)} others still run.\n{said.strip()[-1000:]}"
                )
            quiet(["docker", "stop", "--time", str(STOP_SECONDS), container])
            quiet(["docker", "rm", "--volumes", container])


def _last_lines(container: str) -> str:
    """The last lines of the container's log, without the server's decisions."""
    return quiet(["docker", "logs", "--tail", "5", container]).stderr


def _becomes_healthy(container: str) -> bool:
    """Wait until the container is healthy. False: it has ended, or it is not healthy after `START_SECONDS`."""
    deadline = time.monotonic() + START_SECONDS
    state = ["docker", "inspect", "--format", "{{.State.Status}} {{.State.Health.Status}}", container]
    while time.monotonic() < deadline:
        status, _, health = quiet(state).stdout.strip().partition(" ")
        if health == "healthy" or status in ("exited", "dead", "restarting"):
            return health == "healthy"
        time.sleep(0.2)
    return False


def reload() -> None:
    """Let the gateways read their configuration and their certificate again, one after the other. No call is lost.

    Raises:
        Problem: no gateway runs, or the configuration is wrong and the gateway keeps the old one.
    """
    services = quiet(compose("--profile", "*", "ps", "--services", "--status", "running")).stdout.split()
    gateways = sorted(service for service in services if service.startswith("gateway"))
    if not gateways:
        raise Problem("No gateway runs. `make up` starts it, with its present configuration.")
    for gateway in gateways:
        done = quiet(compose("exec", "-T", gateway, "sh", "/etc/caddy/reload.sh"))
        if done.returncode != 0:
            raise Problem(f"The {gateway} keeps its old configuration: {_message(done.stderr)}")


def _message(said: str) -> str:
    """The last line of what Caddy said, or the message in it if it is one of its JSON lines."""
    line = (said.strip().splitlines() or ["no reason is given"])[-1]
    with contextlib.suppress(ValueError, LookupError, TypeError):
        return str(json.loads(line)["msg"])
    return line


def logs(*, follow: bool) -> None:
    """Print the containers' logs; with `follow` also new lines, until interrupted."""
    command = compose("--profile", "*", "logs", "--tail", "200", *(["--follow"] if follow else []))
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
    variables = _variables(load(), arguments)
    variables["CLIENT_NETWORK"] = f"container:{gateway}" if gateway else "bridge"
    look = [f"--env={name}={os.environ[name]}" for name in _LOOK if os.environ.get(name)]
    return _run_once("client", arguments, [*terminal, "--no-deps", *look, "--env=GATEHOUSE_MAKE=1"], **variables)


def signed_in() -> bool:
    """Whether the agent has a sign-in that is valid."""
    command = compose("--progress", "quiet", "run", "--rm", "--no-TTY", "--no-deps", "client", "whoami")
    return quiet(command, **_variables(load())).returncode == 0


def demo() -> int:
    """Run the demo against the running stack."""
    colour = ["--env", "FORCE_COLOR=1"] if coloured() else []
    environment = load()
    variables = {**_variables(environment), "MODEL": environment.for_demo()["MODEL"]}
    # The demo runs in the agent's image: the image of the end-to-end tests is larger.
    files = [f"--volume={ROOT / name}:/demo/{name}:ro" for name in DEMO_FILES]
    options = ["--no-TTY", "--entrypoint", "python", *colour, *files]
    return _run_once("client", [f"/demo/{DEMO_FILES[0]}"], options, **variables)


def project() -> str:
    """The name of the Compose project, which tells the stacks of one machine apart."""
    return _environment()["COMPOSE_PROJECT_NAME"] or ("gatehouse-prod" if PRODUCTION else "gatehouse")


def compose(*arguments: str, project_name: str | None = None, file: str | None = None) -> list[str]:
    """A Compose command line of the project.

    Args:
        file: a Compose file to add.
    """
    added = [file] if file else []
    if PRODUCTION:
        files = ["--env-file", DOTENV.name] if DOTENV.exists() else []
        files += [option for name in (PRODUCTION_FILE, *added) for option in ("--file", name)]
    else:
        added = [*([PUBLIC_HOST_FILE] if project_name is None and _own_tls() else []), *added]
        files = [option for name in ("docker-compose.yml", *added) for option in ("--file", name)] if added else []
    return ["docker", "compose", "--project-name", project_name or project(), *files, *arguments]


def run(command: list[str], **variables: str) -> int:
    """Run a command from the project's folder."""
    return subprocess.run(command, cwd=ROOT, env={**os.environ, **variables}, check=False).returncode


def base_images() -> list[str]:
    """The images of others of which the stack's images are made, and that of the gateway."""
    files = [*sorted(ROOT.glob("*/Dockerfile")), ROOT / "docker-compose.yml"]
    named = (re.findall(r"^(?:FROM| +image:) (\S+)", path.read_text(encoding="utf-8"), re.MULTILINE) for path in files)
    return list(dict.fromkeys(image for found in named for image in found))


def _run_once(service: str, arguments: list[str], options: list[str], **variables: str) -> int:
    _build(service, **variables)
    return run(compose("--progress", "quiet", "run", "--rm", *options, service, *arguments), **variables)


def _environment() -> Environment:
    """The variables, without making .env: `make down` in a fresh clone changes nothing."""
    return load() if DOTENV.exists() else Environment({})


def _own_tls() -> bool:
    return _environment().own_tls


def other_clone() -> str | None:
    """The folder of another clone whose stack runs under this project's name; None if there is none."""
    label = '{{index .Config.Labels "com.docker.compose.project.working_dir"}}'
    for container in quiet(compose("ps", "--quiet")).stdout.split()[:1]:
        folder = quiet(["docker", "inspect", "--format", label, container]).stdout.strip()
        if folder and Path(folder) != ROOT:
            return folder
    return None


def _published_ports() -> set[int]:
    """The ports of this machine that the stack's running containers have."""
    return {int(port) for port in re.findall(r":(\d+)->", quiet(compose("ps", "--format", "{{.Ports}}")).stdout)}


def _require_own_project() -> None:
    """
    Raises:
        Problem: another clone's stack runs under the same project name.
    """
    if (folder := other_clone()) is not None:
        raise Problem(
            f"The Compose project {project()} already runs from {folder}. Stop it there (`make down`), or give this"
            f" clone another name: set COMPOSE_PROJECT_NAME={project()}-2 in .env (`make up PORTS=auto` sets it)."
        )


def _certificate(environment: Environment, variables: dict[str, str]) -> None:
    """Make a certificate for PUBLIC_HOST in a volume, and copy the authority's certificate to this machine."""
    names = [environment.public_host, *LOOPBACK_HOSTS]
    once = ("run", "--rm", "--no-deps", "--no-TTY")
    for command in (
        ["mock-idp", "certificate", "/authority", *names],
        ["--entrypoint", "cat", "mock-idp", "/authority/ca.pem"],
    ):
        done = quiet(compose(*once, *command), **variables)
        if done.returncode != 0:
            raise Problem(f"No certificate could be made for {environment.public_host}: {done.stderr.strip()}")
    AUTHORITY.parent.mkdir(parents=True, exist_ok=True)
    AUTHORITY.write_text(done.stdout, encoding="utf-8")


def _variables(environment: Environment, arguments: Sequence[str] = ()) -> dict[str, str]:
    """Variables that Compose cannot resolve itself: derived ones, secrets in files, the paths of mounted files.

    Args:
        arguments: those of the command `gatehouse`.
    """
    variables = {name: environment[name] for name in environment.derived}
    variables["CLIENT_EXTRAS"] = " ".join(["chat", *sorted(packages.client_extras(environment, arguments))])
    variables["SERVER_EXTRAS"] = " ".join(["metrics", *sorted(packages.server_extras(environment))])
    # A `mock` left in .env beside a real tenant would make Compose start the offline tenant, and the server trust it.
    variables["COMPOSE_PROFILES"] = environment.profiles
    variables |= environment.secrets(_passed_variables())
    if path := environment["AUTH0_CA_FILE"] or environment["OIDC_CA_FILE"]:
        authority = (ROOT / path).resolve()
        if not authority.is_file() and authority != AUTHORITY:
            raise Problem(
                f"AUTH0_CA_FILE is {path!r}: there is no such file. A file with certificates in PEM is valid."
            )
        variables["AUTH0_CA_FILE"] = str(authority)
    kinds = {"PERMISSIONS_FILE": "file", "UPSTREAM_KEY_FILE": "file", "UPSTREAM_FOLDER": "folder"}
    for name, kind in kinds.items():
        if path := environment[name]:
            if not ((ROOT / path).is_dir() if kind == "folder" else (ROOT / path).is_file()):
                raise Problem(f"{name} is {path!r}: there is no such {kind}.")
            variables[name] = str((ROOT / path).resolve())
    upstream = environment["UPSTREAM_URL"]
    if any(f"//{host}" in upstream for host in ("localhost", "127.0.0.1", "[::1]")):
        raise Problem(
            f"UPSTREAM_URL is {upstream}: in a container that is the container itself. For a port of this machine set"
            " host.docker.internal in place of the host, and let that server listen on 0.0.0.0; or use RUNTIME=local."
        )
    if environment.own_tls:
        variables["PUBLIC_HOST"] = environment.public_host
    port = urlsplit(environment.public_url).port
    if urlsplit(environment.public_url).hostname in LOOPBACK_HOSTS and port not in (None, int(environment["MCP_PORT"])):
        # A proxy of this machine is in front. The agent's container shares the gateway's localhost, not this machine's.
        variables["GATEWAY_ALSO"] = f", :{port}"
    return variables


def _passed_variables() -> list[str]:
    """The variables that the Compose file passes to containers by value."""
    return sorted(set(re.findall(r"\$\{(\w+)", (ROOT / "docker-compose.yml").read_text(encoding="utf-8"))))


def _containers(service: str) -> list[str]:
    """The ids of the service's running containers."""
    return quiet(compose("ps", "--quiet", service)).stdout.split()


def _gateway() -> str:
    """The id of the gateway's running container, or an empty string."""
    return next(iter(_containers("gateway")), "")


def _has_build_authorities() -> bool:
    """Whether SSL_CERT_FILE names a file that an image build can use."""
    path = os.environ.get("SSL_CERT_FILE") or _environment().values.get("SSL_CERT_FILE")
    file = ROOT / path if path else None
    return file is not None and file.is_file() and file.stat().st_size <= MAX_SECRET


def _build(*services: str, **variables: str) -> None:
    """Build the images. Prints nothing if it succeeds."""
    with progress("Building images (the first time takes minutes, then seconds)", after=1.5):
        file = BUILD_AUTHORITIES_FILE if _has_build_authorities() else None
        done = quiet(compose("build", "--quiet", *services, file=file), timeout=1800, **variables)
    if done.returncode != 0:
        raise Problem(f"Building the images failed:\n{(done.stdout + done.stderr).strip()[-2000:]}")


def build_from(archive: bytes, image: str) -> None:
    """Build an image from a tar archive that has a Dockerfile.

    Raises:
        Problem: the build failed.
    """
    arguments = [f"--build-arg={name}" for name in _BUILD_ARGUMENTS if os.environ.get(name)]
    authorities = os.environ.get("SSL_CERT_FILE")
    secret = [f"--secret=id=authorities,src={authorities}"] if authorities and _has_build_authorities() else []
    with progress(f"Building {image} (the first time takes minutes)", after=1.5):
        command = ["docker", "build", "--quiet", *arguments, *secret, "--tag", image, "-"]
        environment = {**os.environ, "DOCKER_BUILDKIT": "1"}
        done = subprocess.run(command, input=archive, env=environment, capture_output=True, check=False)
    if done.returncode != 0:
        raise Problem(f"Building the image failed:\n{done.stderr.decode(errors='replace').strip()[-2000:]}")


def _progress() -> list[str]:
    return [] if sys.stdout.isatty() else ["--progress", "quiet"]


def quiet(command: list[str], timeout: float = 60, **variables: str) -> subprocess.CompletedProcess[str]:
    """The finished command with its output, run from the project's folder."""
    environment = {**os.environ, **variables}
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=timeout
    )
