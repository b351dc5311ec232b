"""`make up ENV=prod`: docker-compose.prod.yml with the variables of .env.prod, checked before anything starts.

Everything else (down, restart, reload, logs) is as in the docker runtime.
"""

from __future__ import annotations

import http.client
import re
import socket
import ssl
import stat
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import docker
import environment
import guide
from environment import DOTENV, ROOT, Environment
from report import Problem, progress, say

SECRETS = ("REQUEST_STATE_SECRET", "EXCHANGE_CLIENT_SECRET", "INTROSPECTION_CLIENT_SECRET")
SECRET_FILES = (*(f"{name}_FILE" for name in SECRETS), "UPSTREAM_KEY_FILE")
USER = 10001
"""The user of the server's container."""
TLS_SECONDS = 60
"""How long the first certificate may take."""
_DIGEST = re.compile(r"(.+@)?sha256:[0-9a-f]{64}")
_EXACT_TAG = re.compile(r"[^@]+:(v?\d+\.\d+\.\d+([.-][0-9A-Za-z.-]+)?|(git-)?[0-9a-f]{12,40})")


def up() -> None:
    """Check everything, then start the stack, or what has changed of it, and wait until it is ready.

    Raises:
        Problem: something is not fit for production, one line for each fault; or a container did not start.
    """
    settings = load()
    variables = _variables(settings)
    was_up = docker.is_up()
    require_good_configuration(variables, was_up=was_up)
    if was_up and docker.have_changed("server", **variables):
        docker.replace_servers(**variables)
    docker.start("server", "gateway", **variables)
    docker.start(**variables)  # the second gateway, if there is one
    _wait_until_ready(settings)
    guide.production_welcome(public_url(settings), variables["SERVER_IMAGE"])


def restart() -> None:
    """Replace the servers one after the other, such as after a change of SERVER_IMAGE or of a secret.

    Raises:
        Problem: something is not fit for production; nothing was changed. Or a new server did not start.
    """
    variables = _variables(load())
    require_good_configuration(variables, was_up=True)
    docker.replace_servers(**variables)


def load(more: Callable[[Environment], list[str]] = lambda _: []) -> Environment:
    """What .env.prod says, checked.

    Args:
        more: finds further faults.

    Raises:
        Problem: something is not fit for production, one line for each fault.
    """
    if not DOTENV.exists():
        raise Problem(f"{DOTENV.name} is missing: `cp .env.prod.example .env.prod`, and set the variables in it.")
    settings = environment.load()
    if found := faults(settings) + more(settings):
        raise Problem("\n".join(found))
    return settings


def faults(settings: Environment) -> list[str]:
    """What the server's own check cannot see: images, secrets by value, files that its container cannot read."""
    found = []
    if not settings.given("PUBLIC_HOST"):
        found.append("PUBLIC_HOST is missing: the host name that clients reach, such as tools.example.com.")
    for name in ("GATEWAY_IMAGE", "SERVER_IMAGE"):
        image = settings.given(name)
        if image and not (_DIGEST.fullmatch(image) or _EXACT_TAG.fullmatch(image)):
            found.append(
                f"{name} is {image!r}: its content could change. A digest (name@sha256:...) or an exact tag such as"
                " 1.2.3 is needed."
            )
    found += [
        f"{name} is set by value: write it to a file, and name the file in {name}_FILE."
        for name in SECRETS
        if settings.given(name)
    ]
    for name in SECRET_FILES:
        if path := settings.given(name):
            found += [f"{name} is {path!r}: {problem}" for problem in _file_problems(ROOT / path)]
    if "two-gateways" in settings.given("COMPOSE_PROFILES").split(","):
        found += _address_problems(settings.given("BIND_ADDRESS") or "0.0.0.0", settings.given("SECOND_ADDRESS"))
    return found


def _address_problems(first: str, second: str) -> list[str]:
    if not second:
        return ["SECOND_ADDRESS is missing: the address of this machine on which the second gateway listens."]
    every = {"0.0.0.0", "::", "[::]"}
    if first != second and every.isdisjoint((first, second)):
        return []
    return [
        f"BIND_ADDRESS is {first!r}, and SECOND_ADDRESS is {second!r}: with COMPOSE_PROFILES=two-gateways each gateway"
        " needs an address of its own."
    ]


def _file_problems(path: Path) -> list[str]:
    try:
        status = path.stat()
    except OSError as error:
        return [f"the file cannot be read ({error.strerror})."]
    if not stat.S_ISREG(status.st_mode):
        return ["it is not a file."]
    if not (status.st_mode & stat.S_IROTH or (status.st_uid == USER and status.st_mode & stat.S_IRUSR)):
        return [
            f"the container's user cannot read it. `chmod 444` the file, in a folder that only you can open (`chmod"
            f" 700`); or `chown {USER}` it."
        ]
    return [] if status.st_size else ["the file is empty."]


def _variables(settings: Environment) -> dict[str, str]:
    """What Compose needs in addition to .env.prod."""
    return {"SERVER_IMAGE": settings.given("SERVER_IMAGE") or _built_image()}


def _built_image() -> str:
    """The server's image of the committed state of server/. Its tag names exactly that state.

    Raises:
        Problem: this folder is no clone, or the image cannot be built.
    """
    found = _git("rev-parse", "HEAD:server")
    if found.returncode != 0:
        raise Problem("SERVER_IMAGE is empty, and this folder is no git clone to build from: name a pinned image.")
    image = f"gatehouse-server:git-{found.stdout.decode().strip()}"
    if _git("status", "--porcelain", "--", "server").stdout:
        say("server/ has changes that are not committed: they are not part of the image.")
    if subprocess.run(["docker", "image", "inspect", image], capture_output=True, check=False).returncode != 0:
        docker.build_from(_git("archive", "HEAD:server").stdout, image)
    return image


def _git(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=False)


def require_good_configuration(variables: dict[str, str], *, was_up: bool, file: str | None = None) -> None:
    """Let the server check its own variables, in a container that ends at once.

    Args:
        file: a Compose file to add.

    Raises:
        Problem: what the server refuses.
    """
    with progress("Checking the configuration", after=1.5):
        once = ("run", "--rm", "--no-deps", "--no-TTY", "server", "--check")
        done = docker.quiet(docker.compose("--progress", "quiet", *once, file=file), timeout=120, **variables)
    if done.returncode != 0:
        if not was_up:
            docker.quiet(docker.compose("down"), **variables)
        raise Problem(done.stderr.strip().removeprefix("gatehouse-server: "))


def _wait_until_ready(settings: Environment) -> None:
    """Ask `/readyz` through the gateway over TLS. The certificate is not checked: only clients know whom they trust.

    Raises:
        Problem: there is no certificate, or the server is not ready.
    """
    deadline, seen = time.monotonic() + TLS_SECONDS, ""
    with progress("Waiting for the certificate and the tenant's keys", after=1.5):
        while time.monotonic() < deadline:
            seen = _readiness(settings)
            if not seen:
                return
            time.sleep(0.5)
    raise Problem(
        f"The containers run, but {public_url(settings)} is not ready: {seen}. `make logs ENV=prod` shows more."
    )


def _readiness(settings: Environment) -> str:
    """Why the server is not ready; empty if it is."""
    host, bound = settings.given("PUBLIC_HOST"), settings.given("BIND_ADDRESS")
    address = (bound if bound not in ("", "0.0.0.0") else "127.0.0.1", int(settings.given("HTTPS_PORT") or 443))
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    connection = http.client.HTTPSConnection(host, address[1], timeout=5)
    try:
        connection.sock = context.wrap_socket(socket.create_connection(address, timeout=5), server_hostname=host)
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        text = answer.read(1000).decode(errors="replace")
        return "" if answer.status == 200 else f"HTTP {answer.status} {text}"
    except ssl.SSLError as error:
        return f"the gateway has no certificate for {host} yet ({error.reason})"
    except (OSError, http.client.HTTPException) as error:
        return str(error) or type(error).__name__
    finally:
        connection.close()


def public_url(settings: Environment) -> str:
    """The URL that clients reach."""
    port = settings.given("HTTPS_PORT")
    host = settings.given("PUBLIC_HOST") + (f":{port}" if port else "")
    return settings.given("MCP_PUBLIC_URL") or f"https://{host}/mcp"
