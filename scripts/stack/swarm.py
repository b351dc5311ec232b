"""`make deploy`: the stack on a Docker Swarm, with the variables of .env.prod, checked before anything changes."""

from __future__ import annotations

import hashlib
import json
import os
import ssl
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import docker
import production
from environment import ROOT, RUN, Environment
from report import Problem, bold, progress, say

FOLDER = ROOT / "deploy" / "swarm"
OLDEST_CLIENT = 26  # the first one whose `docker stack deploy` waits for the update
SECONDS = 1800
FAILURES = 5
"""After so many tasks that end by themselves, a new service does not start any more."""
CHECK_FILE = "deploy/swarm/check.yml"
SUBNET = "10.89.0.0/22"
CERTIFICATE = ("TLS_CERTIFICATE_FILE", "TLS_KEY_FILE")
GATEWAY_FILES = {"CADDYFILE": FOLDER / "Caddyfile", "SERVERS_CADDY": ROOT / "gateway" / "servers.caddy"}


@dataclass(frozen=True)
class ServerFile:
    """A file that the servers get if its variable is set.

    Attributes:
        variable: in .env.prod, the path of the file; of the server, its path in the container.
        kind: `secrets` or `configs`.
    """

    variable: str
    kind: str

    @property
    def name(self) -> str:
        return self.variable.removesuffix("_FILE").lower()

    @property
    def path(self) -> str:
        return f"/run/{'secrets' if self.kind == 'secrets' else 'gatehouse'}/{self.name}"


SERVER_FILES = (
    *(ServerFile(variable, "secrets") for variable in production.SECRET_FILES),
    ServerFile("PERMISSIONS_FILE", "configs"),
    ServerFile("AUTH0_CA_FILE", "configs"),
)


def deploy() -> None:
    """Deploy the stack, or update it replica by replica, and wait for the end.

    Raises:
        Problem: something is wrong, which is found before anything changes; or the update was taken back.
    """
    _require_a_manager()
    settings = production.load(_faults)
    _require_image(settings)
    name = _name(settings)
    production.require_good_configuration({"SUBNET": settings.given("SUBNET") or SUBNET}, was_up=True, file=CHECK_FILE)
    RUN.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="deploy-", dir=RUN) as folder:
        further = Path(folder) / "further.yml"
        further.write_text(json.dumps(_further(settings)), encoding="utf-8")
        files = [FOLDER / "stack.yml", further]
        if settings.given("OVERLAY_ENCRYPTION") == "off":
            files.append(FOLDER / "unencrypted.yml")
        _roll_out(name, files, _variables(settings))
    _remove_unused(name)
    say()
    say(f"  MCP server   {bold(production.public_url(settings))}")
    say()
    docker.run(["docker", "stack", "services", name])


def _name(settings: Environment) -> str:
    return settings.given("COMPOSE_PROJECT_NAME") or "gatehouse"


def _require_a_manager() -> None:
    if (obstacle := docker.available()) is not None:
        raise Problem(f"`make deploy` needs Docker, but {obstacle}. Run it on a manager of the Swarm.")
    client = docker.quiet(["docker", "version", "--format", "{{.Client.Version}}"]).stdout.strip()
    if int(client.partition(".")[0] or 0) < OLDEST_CLIENT:
        raise Problem(f"The docker command is version {client}: version {OLDEST_CLIENT} or later is needed. Update it.")
    node = docker.quiet(["docker", "info", "--format", "{{.Swarm.LocalNodeState}} {{.Swarm.ControlAvailable}}"])
    state, _, manages = node.stdout.strip().partition(" ")
    if state != "active":
        raise Problem(
            f"This machine is in no Swarm (its state is {state}). `docker swarm init` makes one. Run `make deploy` on a"
            " manager."
        )
    if manages != "true":
        raise Problem("This machine is a worker of the Swarm. Run `make deploy` on a manager.")


def _faults(settings: Environment) -> list[str]:
    """What is wrong in .env.prod for a Swarm, a sentence each."""
    found = []
    if not settings.given("SERVER_IMAGE"):
        found.append(
            "SERVER_IMAGE is missing: the server's image in a registry that all nodes reach. `docker build -t"
            " REGISTRY/gatehouse-server:1.0.0 server` and `docker push REGISTRY/gatehouse-server:1.0.0` make one."
        )
    if folder := settings.given("UPSTREAM_FOLDER"):
        found.append(
            f"UPSTREAM_FOLDER is {folder!r}: the nodes do not have it. Build an image with it, for SERVER_IMAGE."
        )
    if missing := [variable for variable in CERTIFICATE if not settings.given(variable)]:
        return [
            *found,
            f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing: files with the certificate of"
            f" {production.public_url(settings)} and its private key (PEM), for all gateways.",
        ]
    try:
        paths = [ROOT / settings.given(variable) for variable in CERTIFICATE]
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(*paths, password="")
    except (ssl.SSLError, ValueError, OSError) as error:
        seen = error.reason if isinstance(error, ssl.SSLError) and error.reason else str(error)
        found.append(
            f"TLS_CERTIFICATE_FILE and TLS_KEY_FILE do not fit ({seen}): a certificate with its chain, and its private"
            " key without a password, both in PEM, are needed."
        )
    return found


def _require_image(settings: Environment) -> None:
    """The server's image must be where every node finds it."""
    image = settings.given("SERVER_IMAGE")
    if settings.given("RESOLVE_IMAGE") == "never":
        done = docker.quiet(["docker", "image", "inspect", image])
        advice = "RESOLVE_IMAGE=never needs it on each node: `docker load` brings it there."
    else:
        with progress("Fetching the server's image", after=1.5):
            done = docker.quiet(["docker", "pull", "--quiet", image], timeout=SECONDS)
        advice = f"Push it with `docker push {image}`, and sign in to the registry with `docker login`."
    if done.returncode != 0:
        seen = (done.stderr.strip().splitlines() or ["it is not there"])[-1]
        raise Problem(f"SERVER_IMAGE is {image}: the image cannot be used ({seen}). {advice}")


def _variables(settings: Environment) -> dict[str, str]:
    """The variables of stack.yml: those of .env.prod, and the files with the names of their secrets and configs.

    A name has a hash of the content. Docker's secrets and configs never change: new content is a new object, which the
    replicas get in a rolling update, and the old one stays for the way back. Secrets are random: a part of a hash does
    not help to guess one.
    """
    variables = {"SUBNET": SUBNET, **settings.values, **os.environ, "MCP_PUBLIC_URL": production.public_url(settings)}
    files = {variable.removesuffix("_FILE"): ROOT / settings.given(variable) for variable in CERTIFICATE}
    files |= {file.name.upper(): ROOT / settings.given(file.variable) for file in _given(settings)}
    for name, path in (files | GATEWAY_FILES).items():
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        variables |= {f"{name}_FILE": str(path), f"{name}_NAME": f"{_name(settings)}_{name.lower()}_{digest[:12]}"}
    return variables


def _given(settings: Environment) -> list[ServerFile]:
    return [file for file in SERVER_FILES if settings.given(file.variable)]


def _further(settings: Environment) -> dict[str, object]:
    """A second file of the stack, with the server's secrets and configs: not each server has all of them."""
    given = _given(settings)
    server: dict[str, object] = {"environment": {file.variable: file.path for file in given}}
    further: dict[str, object] = {"version": "3.8", "services": {"server": server}}
    for kind in ("secrets", "configs"):
        files = [file for file in given if file.kind == kind]
        server[kind] = [{"source": file.name, "target": file.path, "uid": "10001", "mode": 0o400} for file in files]
        further[kind] = {
            file.name: {"name": f"${{{file.name.upper()}_NAME}}", "file": f"${{{file.name.upper()}_FILE}}"}
            for file in files
        }
    return further


def _roll_out(name: str, files: list[Path], variables: dict[str, str]) -> None:
    """
    Raises:
        Problem: the stack does not start, or the update was taken back.
    """
    is_new = not _services(name)
    options = [option for file in files for option in ("--compose-file", str(file))]
    resolve = variables.get("RESOLVE_IMAGE") or "always"
    command = ["docker", "stack", "deploy", "--detach=false", "--with-registry-auth", "--resolve-image", resolve]
    with (
        progress("Rolling out, one replica after the other"),
        subprocess.Popen(
            [*command, *options, name], env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process,
    ):
        try:
            said = _ended(process, name, is_new=is_new)
        finally:
            process.kill()
    for service in _services(name):
        status = _lines("service", "inspect", "--format", "{{json .UpdateStatus}}", service)
        state = (json.loads("".join(status) or "null") or {}).get("State", "")
        if state.startswith("rollback") or state == "paused":
            raise Problem(
                f"The update of {service} was taken back, because new replicas failed. The replicas of before serve"
                f" on.\n{_reason(service)}"
            )
    if process.returncode != 0:
        raise Problem(f"`docker stack deploy` failed: {said.strip()[-2000:]}")


def _ended(process: subprocess.Popen[str], name: str, *, is_new: bool) -> str:
    """Wait for the end. Returns standard error.

    Raises:
        Problem: the replicas of a new stack fail again and again, or the end does not come in time. The Swarm itself
            takes back an update that fails, but a new stack has no state of before.
    """
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            return process.communicate(timeout=2)[1]
        except subprocess.TimeoutExpired:
            for service in _services(name):
                if (is_new and len(_failed(service)) >= FAILURES) or time.monotonic() > deadline:
                    raise Problem(
                        f"The replicas of {service} do not start. `docker stack rm {name}` removes the stack.\n"
                        f"{_reason(service)}"
                    ) from None


def _services(name: str) -> list[str]:
    return _lines("service", "ls", "--filter", f"label=com.docker.stack.namespace={name}", "--format", "{{.Name}}")


def _failed(service: str) -> list[list[str]]:
    """The tasks of the service that ended by themselves: identifier, state, node and error."""
    form = "{{.ID}}\t{{.CurrentState}}\t{{.Node}}\t{{.Error}}"
    tasks = _lines("service", "ps", "--no-trunc", "--filter", "desired-state=shutdown", "--format", form, service)
    found = [task.split("\t") for task in tasks]
    return [task for task in found if task[1].startswith(("Failed", "Rejected", "Complete"))]


def _reason(service: str) -> str:
    """Why its replicas failed: what Docker knows, and the end of the log of one of them."""
    for task, _, node, error in _failed(service):
        log = docker.quiet(["docker", "service", "logs", "--raw", "--tail", "8", task])
        return f"{node}: {error or 'it did not become healthy'}\n{(log.stdout + log.stderr).strip()}"
    return f"`docker service ps --no-trunc {service}` shows more."


def _remove_unused(name: str) -> None:
    """Remove the secrets and configs that neither a service nor its previous version has."""
    known = "".join(_lines("service", "inspect", *_services(name)))
    for kind in ("secret", "config"):
        for identifier in _lines(kind, "ls", "--quiet", "--filter", f"label=com.docker.stack.namespace={name}"):
            if identifier not in known:
                docker.quiet(["docker", kind, "rm", identifier])


def _lines(*arguments: str) -> list[str]:
    return docker.quiet(["docker", *arguments]).stdout.splitlines()
