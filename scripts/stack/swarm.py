"""The stack on a Docker Swarm: checks before a deployment, files named by their content, and the rolling update."""

from __future__ import annotations

import hashlib
import json
import os
import re
import ssl
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import docker
from environment import ROOT, RUN, Environment
from report import Problem, progress, say

FOLDER = ROOT / "deploy" / "swarm"
OLDEST_CLIENT = 26  # the first one whose `docker stack deploy` waits for the update
SECONDS = 1800
FAILURES = 5
"""After so many tasks that end by themselves, a new service does not start any more."""
DEMO_SECRET = "demo-secret-of-the-offline-tenant"
NEEDED = ("REQUEST_STATE_SECRET", "TLS_CERTIFICATE", "TLS_KEY")
SECRETS = (*NEEDED, "EXCHANGE_CLIENT_SECRET", "INTROSPECTION_CLIENT_SECRET")
"""Each has the variable NAME_FILE, and all but certificate and key also NAME."""
_EXACT = re.compile(r".+@sha256:[0-9a-f]{64}|sha256:[0-9a-f]{64}|.+:v?\d+\.\d+\.\d+[\w.-]*|.+:[0-9a-f]{7,64}")


@dataclass(frozen=True)
class File:
    """A secret or config of the server that is not always there.

    Attributes:
        kind: `secrets` or `configs`.
        variable: of the server; its value is the path in the container.
    """

    kind: str
    variable: str

    @property
    def target(self) -> str:
        """Its name in the container's folder."""
        return self.variable.removesuffix("_FILE").lower()

    @property
    def path(self) -> str:
        """Its path in the container."""
        return f"/run/{'secrets' if self.kind == 'secrets' else 'gatehouse'}/{self.target}"


OPTIONAL = (
    File("secrets", "EXCHANGE_CLIENT_SECRET_FILE"),
    File("secrets", "INTROSPECTION_CLIENT_SECRET_FILE"),
    File("secrets", "UPSTREAM_KEY_FILE"),
    File("configs", "PERMISSIONS_FILE"),
    File("configs", "AUTH0_CA_FILE"),
)


def deploy(settings: Environment) -> None:
    """Deploy the stack, or update it replica by replica, and wait for the end.

    Raises:
        Problem: something is wrong, which is found before anything changes; or the update was rolled back.
    """
    _require_a_manager()
    RUN.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="deploy-", dir=RUN) as folder:
        contents = _contents(settings)
        if found := _faults(settings, contents):
            raise Problem("\n".join(found))
        _require_image(settings)
        variables = _written(Path(folder), contents, settings)
        files = _files(Path(folder), contents, settings)
        _require_valid_settings(Path(folder), files, variables, settings)
        _roll_out(files, variables, settings)
    _remove_unused(_name(settings))
    say(f"Deployed: {settings.public_url}")
    docker.run(["docker", "stack", "services", _name(settings)])


def _name(settings: Environment) -> str:
    return settings["COMPOSE_PROJECT_NAME"] or "gatehouse"


def _require_a_manager() -> None:
    if (obstacle := docker.available()) is not None:
        raise Problem(f"`make deploy` needs Docker, but {obstacle}. Run it on a manager of the Swarm.")
    client = _docker("version", "--format", "{{.Client.Version}}").stdout.strip()
    if int(client.partition(".")[0] or 0) < OLDEST_CLIENT:
        raise Problem(f"The docker command is version {client}: version {OLDEST_CLIENT} or later is needed. Update it.")
    node = "{{.Swarm.LocalNodeState}} {{.Swarm.ControlAvailable}}"
    state, _, manages = _docker("info", "--format", node).stdout.strip().partition(" ")
    if state != "active":
        raise Problem(
            f"This machine is in no Swarm (its state is {state}). `docker swarm init` makes one. Run `make deploy` on a"
            " manager."
        )
    if manages != "true":
        raise Problem(
            "This machine is a worker of the Swarm. Run `make deploy` on a manager: `docker node ls` names them."
        )


def _contents(settings: Environment) -> dict[str, str]:
    """The content of each secret and config, by the variable of its file."""
    secrets = settings.secrets(SECRETS)
    found = {f"{name}_FILE": secrets.get(name) or settings.given(name) for name in SECRETS}
    for file in OPTIONAL:
        path = settings.given(file.variable)
        if file.variable == "AUTH0_CA_FILE":
            path = path or settings.given("OIDC_CA_FILE")
        if file.variable not in found and path:
            try:
                found[file.variable] = (ROOT / path).read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as error:
                raise Problem(f"{file.variable} is {path!r}: the file cannot be read ({error}).") from error
    return {variable: content for variable, content in found.items() if content}


def _faults(settings: Environment, contents: dict[str, str]) -> list[str]:
    """What is wrong in .env, a sentence each. The server checks the rest (`_require_valid_settings`)."""
    found = []
    if settings.offline:
        found.append(
            "No tenant is set, and the offline tenant is for development only: its users and secrets are public. Set"
            " AUTH0_DOMAIN or OIDC_ISSUER."
        )
    if not settings.public_url.startswith("https://"):
        found.append(f"MCP_PUBLIC_URL is {settings.public_url}: set the URL of the gateways, such as https://HOST/mcp.")
    if "REQUEST_STATE_SECRET_FILE" not in contents:
        found.append(
            "REQUEST_STATE_SECRET is missing: all replicas need the same one. `openssl rand -hex 32` prints one; set"
            " REQUEST_STATE_SECRET_FILE to a file with it."
        )
    demo = [variable for variable, content in contents.items() if DEMO_SECRET in content]
    if demo:
        names = ", ".join(variable.removesuffix("_FILE") for variable in demo)
        found.append(f"{names} is of the offline tenant, and public. Set the secret of your tenant, or leave it empty.")
    found += _faults_of_the_certificate(settings, contents)
    images = {"SERVER_IMAGE": settings.given("SERVER_IMAGE"), "GATEWAY_IMAGE": settings.given("GATEWAY_IMAGE")}
    if not images["SERVER_IMAGE"]:
        found.append(
            "SERVER_IMAGE is missing: the server's image in a registry that all nodes reach. `docker build -t"
            " REGISTRY/gatehouse-server:1.0.0 server` and `docker push REGISTRY/gatehouse-server:1.0.0` make one."
        )
    for name, image in images.items():
        if image and not _EXACT.fullmatch(image):
            found.append(
                f"{name} is {image}: the same name can be another image tomorrow. Name an exact version, such as"
                " NAME:1.2.3, or a digest, NAME@sha256:..."
            )
    return found


def _faults_of_the_certificate(settings: Environment, contents: dict[str, str]) -> list[str]:
    missing = [name for name in ("TLS_CERTIFICATE_FILE", "TLS_KEY_FILE") if name not in contents]
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        return [
            f"{' and '.join(missing)} {verb} missing: the files (PEM) with the certificate of {settings.public_url} and"
            " its private key, for all gateways."
        ]
    paths = [ROOT / settings.given(name) for name in ("TLS_CERTIFICATE_FILE", "TLS_KEY_FILE")]
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(*paths, password="")
    except (ssl.SSLError, ValueError, OSError) as error:
        seen = error.reason if isinstance(error, ssl.SSLError) and error.reason else str(error)
        return [
            f"TLS_CERTIFICATE_FILE and TLS_KEY_FILE do not fit ({seen}): a certificate with its chain, and its private"
            " key without a password, both in PEM, are valid."
        ]
    return []


def _require_image(settings: Environment) -> None:
    """The image must be where every node finds it."""
    image = settings.given("SERVER_IMAGE")
    if _resolves(settings):
        with progress("Fetching the server's image", after=1.5):
            done = _docker("pull", "--quiet", image, seconds=SECONDS)
        advice = f"Push it with `docker push {image}`, and sign in to the registry with `docker login`."
    else:
        done = _docker("image", "inspect", image)
        advice = "SWARM_RESOLVE_IMAGE=never needs it on each node: `docker load` brings it there."
    if done.returncode != 0:
        seen = (done.stderr.strip().splitlines() or ["it is not there"])[-1]
        raise Problem(f"SERVER_IMAGE is {image}: the image cannot be used ({seen}). {advice}")


def _resolves(settings: Environment) -> bool:
    return settings.given("SWARM_RESOLVE_IMAGE") != "never"


def _written(folder: Path, contents: dict[str, str], settings: Environment) -> dict[str, str]:
    """Write the files into `folder`. Returns the variables of stack.yml.

    A name has a hash of its content. Docker's secrets and configs never change: new content is a new object, which the
    replicas get in a rolling update, and the old one stays for the way back. Secrets are random: a part of a hash does
    not help to guess one.
    """
    kinds = {file.variable: file.kind for file in OPTIONAL}
    variables = {**settings.variables(), "GATEWAY_PORT": settings.given("GATEWAY_PORT") or _port(settings)}
    for variable, content in contents.items():
        name = variable.removesuffix("_FILE")
        file = folder / kinds.get(variable, "secrets") / name.lower()
        file.parent.mkdir(exist_ok=True)
        file.write_text(content, encoding="utf-8")
        file.chmod(0o644)  # the folder above is private; the check's container reads it as another user
        variables |= {variable: str(file), f"{name}_NAME": _object(settings, name, content)}
    caddyfile = (FOLDER / "Caddyfile").read_text(encoding="utf-8")
    return {**variables, "CADDYFILE_NAME": _object(settings, "caddyfile", caddyfile)}


def _object(settings: Environment, name: str, content: str) -> str:
    return f"{_name(settings)}_{name.lower()}_{hashlib.sha256(content.encode()).hexdigest()[:12]}"


def _port(settings: Environment) -> str:
    found = re.fullmatch(r"https://[^/]*?(?::(\d+))?(?:/.*)?", settings.public_url)
    return found[1] if found and found[1] else "443"


def _files(folder: Path, contents: dict[str, str], settings: Environment) -> list[Path]:
    """The files of the stack: that of the project, and one with the server's further secrets and configs."""
    server: dict[str, object] = {"environment": {}}
    added: dict[str, object] = {"version": "3.8", "services": {"server": server}}
    for file in OPTIONAL:
        if file.variable not in contents:
            continue
        name = file.variable.removesuffix("_FILE")
        mounted = {"source": file.target, "target": file.path, "uid": "10001", "mode": 0o400}
        server[file.kind] = [*server.get(file.kind, []), mounted]  # type: ignore[misc]
        server["environment"][file.variable] = file.path  # type: ignore[index]
        objects = added.setdefault(file.kind, {})
        objects[file.target] = {"name": f"${{{name}_NAME}}", "file": f"${{{file.variable}}}"}  # type: ignore[index]
    more = folder / "more.yml"
    more.write_text(json.dumps(added), encoding="utf-8")
    unencrypted = [FOLDER / "unencrypted.yml"] if settings.given("SWARM_ENCRYPTION") == "off" else []
    return [FOLDER / "stack.yml", more, *unencrypted]


def _require_valid_settings(folder: Path, files: list[Path], variables: dict[str, str], settings: Environment) -> None:
    """Let the server of that image check the settings that it would get."""
    options = [option for file in files for option in ("--file", str(file))]
    command = ["docker", "compose", "--project-name", _name(settings), *options, "config", "--format", "json"]
    read = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, check=False)
    if read.returncode != 0:
        raise Problem(f"{FOLDER / 'stack.yml'} cannot be read with these settings: {read.stderr.strip()}")
    environment = json.loads(read.stdout)["services"]["server"]["environment"]
    given = [option for name, value in environment.items() for option in ("--env", f"{name}={value}")]
    mounted = ["--volume", f"{folder / 'secrets'}:/run/secrets:ro"]
    if (folder / "configs").exists():
        mounted += ["--volume", f"{folder / 'configs'}:/run/gatehouse:ro"]
    checked = _docker("run", "--rm", "--network", "none", *mounted, *given, settings.given("SERVER_IMAGE"), "--check")
    if checked.returncode != 0:
        raise Problem((checked.stdout + checked.stderr).strip())


def _roll_out(files: list[Path], variables: dict[str, str], settings: Environment) -> None:
    name = _name(settings)
    is_new = not _services(name)
    options = [option for file in files for option in ("--compose-file", str(file))]
    resolve = settings.given("SWARM_RESOLVE_IMAGE") or "always"
    command = ["docker", "stack", "deploy", "--detach=false", "--with-registry-auth", "--resolve-image", resolve]
    with (
        progress("Rolling out, one replica after the other"),
        subprocess.Popen(
            [*command, *options, name],
            cwd=ROOT,
            env=variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process,
    ):
        try:
            said = _ended(process, name, is_new=is_new)
        finally:
            process.kill()
    for service in _services(name):
        status = _docker("service", "inspect", "--format", "{{json .UpdateStatus}}", service).stdout
        state = (json.loads(status or "null") or {}).get("State", "")
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
                failed = _failed(service)
                if (is_new and len(failed) >= FAILURES) or time.monotonic() > deadline:
                    raise Problem(
                        f"The replicas of {service} do not start. `docker stack rm {name}` removes the stack.\n"
                        f"{_reason(service)}"
                    ) from None


def _services(name: str) -> list[str]:
    return _lines("service", "ls", "--filter", f"label=com.docker.stack.namespace={name}", "--format", "{{.Name}}")


def _failed(service: str) -> list[str]:
    """The tasks of the service that ended by themselves: identifier, node and error, separated by blanks."""
    form = '{{.ID}} {{.CurrentState}}\t{{.Node}}: {{or .Error "it did not become healthy"}}'
    tasks = _lines("service", "ps", "--no-trunc", "--filter", "desired-state=shutdown", "--format", form, service)
    return [task for task in tasks if task.split()[1] in ("Failed", "Rejected", "Complete")]


def _reason(service: str) -> str:
    """Why its replicas failed: what Docker knows, and the end of the log of one of them."""
    failed = _failed(service)
    if not failed:
        return f"`docker service ps --no-trunc {service}` shows more."
    log = _docker("service", "logs", "--raw", "--tail", "8", failed[0].split()[0])
    return f"{failed[0].partition(chr(9))[2]}\n{(log.stdout + log.stderr).strip()}"


def _remove_unused(name: str) -> None:
    """Remove the secrets and configs that neither a service nor its previous version has."""
    label = f"label=com.docker.stack.namespace={name}"
    services = _lines("service", "ls", "--quiet", "--filter", label)
    known = _docker("service", "inspect", *services).stdout
    for kind in ("secret", "config"):
        for identifier in _lines(kind, "ls", "--quiet", "--filter", label):
            if identifier not in known:
                _docker(kind, "rm", identifier)


def _lines(*arguments: str) -> list[str]:
    return _docker(*arguments).stdout.splitlines()


def _docker(*arguments: str, seconds: float = 120) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["docker", *arguments], cwd=ROOT, env=os.environ, capture_output=True, text=True, check=False, timeout=seconds
    )
