"""`make up ENV=prod`: what it refuses, and the end-to-end suite over https against what it starts."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import secrets
import socket
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from tests.support import containers
from tests.support.free_ports import free_ports
from tests.worlds.conftest import ROOT, RUNTIME, World
from tests.worlds.test_swap import blocks
from tests.worlds.test_worlds import MakeWorld

PUBLIC_HOST = "tools.gatehouse.example"
DEMO_SECRET = "demo-secret-of-the-offline-tenant-never-use-it-with-a-real-one-3"
OWN_SECRET = "the-own-secret-of-this-servers-application"
PAGE = (ROOT / "docs" / "production.md").read_text(encoding="utf-8")
PINNED = "registry.example/gatehouse-server:1.2.3"

pytestmark = [pytest.mark.docker, pytest.mark.skipif(RUNTIME != "docker", reason="a world of the docker runtime")]


def production(world: World, **changes: str) -> dict[str, str]:
    """Write `.env.prod` and a secret file. Returns the variables."""
    folder = world.folder / "secrets"
    folder.mkdir(mode=0o700, exist_ok=True)
    (folder / "request_state_secret").write_text(secrets.token_hex(32), encoding="utf-8")
    variables = {
        "PUBLIC_HOST": PUBLIC_HOST,
        "AUTH0_DOMAIN": "tenant.example.com",
        "REQUEST_STATE_SECRET_FILE": "secrets/request_state_secret",
        "SERVER_IMAGE": PINNED,
        **changes,
    }
    lines = "".join(f"{name}={value}\n" for name, value in variables.items())
    (world.folder / ".env.prod").write_text(lines, encoding="utf-8")
    return variables


def built(world: World, *services: str) -> dict[str, str]:
    """Build images of the world, and return the id of each."""
    project = world.variables["COMPOSE_PROJECT_NAME"]
    images = {}
    for service in services:
        command = ["docker", "compose", "--project-name", project, "--profile", "*", "build", "--quiet", service]
        subprocess.run(command, cwd=ROOT, check=True, env=compose_environment(), capture_output=True)
        images[service] = image_id(f"{project}-{service}")
    return images


def image_id(name: str) -> str:
    """The id of an image of this machine, which is the digest of its content."""
    command = ["docker", "image", "inspect", "--format", "{{.Id}}", name]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def compose_environment(**variables: str) -> dict[str, str]:
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("COMPOSE_", "AUTH0_", "MCP_"))}
    return {**plain, **variables}


REFUSED_BEFORE_ANY_CONTAINER = {
    "an image whose content could change": (
        {"SERVER_IMAGE": "gatehouse-server:latest"},
        "SERVER_IMAGE is 'gatehouse-server:latest': its content could change. A digest",
    ),
    "an image without a tag": ({"SERVER_IMAGE": "gatehouse-server"}, "SERVER_IMAGE is 'gatehouse-server'"),
    "a major version": ({"GATEWAY_IMAGE": "caddy:2"}, "GATEWAY_IMAGE is 'caddy:2': its content could change."),
    "a minor version": ({"GATEWAY_IMAGE": "caddy:2.11-alpine"}, "GATEWAY_IMAGE is 'caddy:2.11-alpine'"),
    "a secret by value": (
        {"REQUEST_STATE_SECRET": "0123456789abcdef0123456789abcdef"},
        "REQUEST_STATE_SECRET is set by value: write it to a file, and name the file in REQUEST_STATE_SECRET_FILE.",
    ),
    "a secret file that is not there": (
        {"EXCHANGE_CLIENT_SECRET_FILE": "secrets/none"},
        "EXCHANGE_CLIENT_SECRET_FILE is 'secrets/none': the file cannot be read (No such file or directory).",
    ),
    "a second gateway without an address": (
        {"COMPOSE_PROFILES": "two-gateways", "BIND_ADDRESS": "192.0.2.1"},
        "SECOND_ADDRESS is missing: the address of this machine on which the second gateway listens.",
    ),
    "a second gateway whose address is also the first one's": (
        {"COMPOSE_PROFILES": "two-gateways", "SECOND_ADDRESS": "192.0.2.2"},
        "BIND_ADDRESS is '0.0.0.0', and SECOND_ADDRESS is '192.0.2.2': with COMPOSE_PROFILES=two-gateways each gateway",
    ),
    "no host name": ({"PUBLIC_HOST": ""}, "PUBLIC_HOST is missing: the host name that clients reach"),
}


@pytest.mark.parametrize("case", REFUSED_BEFORE_ANY_CONTAINER)
def test_it_is_refused_in_one_line_before_any_container_starts(world: MakeWorld, case: str) -> None:
    changes, line = REFUSED_BEFORE_ANY_CONTAINER[case]
    clone = world("")
    production(clone, **changes)
    refused = clone.stack("up", ENV="prod")
    assert refused.returncode == 1
    assert len(refused.stderr.splitlines()) == 1, refused.stderr
    assert refused.stderr.startswith(line)


def test_a_secret_file_that_the_container_cannot_read_is_refused(world: MakeWorld) -> None:
    clone = world("")
    production(clone)
    (clone.folder / "secrets" / "request_state_secret").chmod(0o600)
    refused = clone.stack("up", ENV="prod")
    assert refused.returncode == 1
    assert "REQUEST_STATE_SECRET_FILE is 'secrets/request_state_secret': the container's user cannot read it." in (
        refused.stderr
    )


def test_without_its_variables_it_names_the_file_to_copy(world: MakeWorld) -> None:
    refused = world("").stack("up", ENV="prod")
    assert (refused.returncode, refused.stderr) == (
        1,
        ".env.prod is missing: `cp .env.prod.example .env.prod`, and set the variables in it.\n",
    )


def test_the_demo_has_no_part_in_production(world: MakeWorld) -> None:
    refused = world("").stack("demo", ENV="prod")
    assert refused.returncode == 1
    assert "`make demo` has no part in production" in refused.stderr


def test_the_example_needs_only_a_host_name_a_tenant_and_a_secret(world: MakeWorld) -> None:
    clone = world("")
    text = (clone.folder / ".env.prod.example").read_text(encoding="utf-8")
    (clone.folder / ".env.prod").write_text(
        text.replace("SERVER_IMAGE=\n", f"SERVER_IMAGE={PINNED}\n"), encoding="utf-8"
    )
    refused = clone.stack("up", ENV="prod")
    assert refused.stderr.splitlines() == [
        "PUBLIC_HOST is missing: the host name that clients reach, such as tools.example.com.",
        "REQUEST_STATE_SECRET_FILE is 'secrets/request_state_secret': the file cannot be read (No such file or"
        " directory).",
    ]


def test_the_server_refuses_its_own_variables_before_anything_starts(world: MakeWorld) -> None:
    clone = world("")
    image = built(clone, "server")["server"]
    (clone.folder / "demo").write_text(DEMO_SECRET, encoding="utf-8")
    production(
        clone,
        SERVER_IMAGE=image,
        MCP_PUBLIC_URL=f"http://{PUBLIC_HOST}/mcp",
        MCP_ALLOWED_HOSTS="*",
        REQUEST_STATE_SECRET_FILE="demo",
    )
    refused = clone.stack("up", ENV="prod")
    assert refused.returncode == 1
    assert f"MCP_PUBLIC_URL is 'http://{PUBLIC_HOST}/mcp': https:// is needed" in refused.stderr
    production(clone, SERVER_IMAGE=image, MCP_ALLOWED_HOSTS="*", REQUEST_STATE_SECRET_FILE="demo")
    refused = clone.stack("up", ENV="prod")
    names = [line.split()[1] for line in refused.stderr.splitlines()[1:]]
    assert names == ["MCP_ALLOWED_HOSTS"], refused.stderr
    production(clone, SERVER_IMAGE=image, REQUEST_STATE_SECRET_FILE="demo")
    refused = clone.stack("up", ENV="prod")
    assert "REQUEST_STATE_SECRET is a published secret" in refused.stderr
    assert DEMO_SECRET not in refused.stderr
    project = clone.variables["COMPOSE_PROJECT_NAME"]
    left = ["docker", "ps", "--all", "--quiet", "--filter", f"label=com.docker.compose.project={project}"]
    assert subprocess.run(left, check=True, capture_output=True, text=True).stdout == ""


@dataclass
class Outside:
    """The tenant and the end-to-end suite, in a Compose project of their own.

    Attributes:
        address: of this machine, as containers reach it.
    """

    project: str
    folder: Path
    variables: dict[str, str]
    address: str = field(init=False)

    def __post_init__(self) -> None:
        # Docker's networks do not always name their gateway: a container does.
        hosts = ["docker", "run", "--rm", "--add-host", "here:host-gateway", "caddy:2", "cat", "/etc/hosts"]
        text = subprocess.run(hosts, check=True, capture_output=True, text=True).stdout
        (self.address,) = re.findall(r"^(\S+)\s+here$", text, re.MULTILINE)
        self.variables["ADDRESS"] = self.address

    def compose(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `docker compose` for it."""
        file = str(Path(__file__).with_name("production.yml"))
        command = ["docker", "compose", "--project-name", self.project, "--file", file, *arguments]
        environment = compose_environment(**self.variables)
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=600)

    def authority(self) -> str:
        """The certificate of the tenant's authority."""
        return self.compose("exec", "-T", "tenant", "cat", "/state/ca.pem").stdout

    def suite(self, authorities: str, *tests: str) -> subprocess.CompletedProcess[str]:
        """Run end-to-end tests in a container that trusts only these authorities."""
        file = self.folder / "authorities.pem"
        file.write_text(authorities, encoding="utf-8")
        self.variables["AUTHORITIES"] = str(file)
        pytest_ = ("python", "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests)
        return self.compose("run", "--rm", "--no-TTY", "--no-deps", "e2e", *pytest_)


@pytest.fixture
def clone(world: MakeWorld) -> World:
    return world("")


@pytest.fixture
def outside(clone: World, tmp_path: Path) -> Iterator[Outside]:
    images = built(clone, "mock-idp", "e2e")
    port, tenant_port, http_port = free_ports(3)
    files = tmp_path / "auth0"
    files.mkdir()
    for path in (ROOT / "auth0").iterdir():
        text = path.read_text(encoding="utf-8")
        (files / path.name).write_text(text.replace(DEMO_SECRET, OWN_SECRET), "utf-8")
    variables = {
        "PUBLIC_HOST": PUBLIC_HOST,
        "HTTPS_PORT": str(port),
        "HTTP_PORT": str(http_port),
        "TENANT_PORT": str(tenant_port),
        "ISSUER": f"https://host.docker.internal:{tenant_port}/",
        "MCP_PUBLIC_URL": f"https://{PUBLIC_HOST}:{port}/mcp",
        "E2E_CONTROL_TOKEN": secrets.token_hex(16),
        "TENANT_FILES": str(files),
        "TENANT_IMAGE": images["mock-idp"],
        "E2E_IMAGE": images["e2e"],
    }
    made = Outside(f"{clone.variables['COMPOSE_PROJECT_NAME']}-outside", tmp_path, variables)
    try:
        started = made.compose("up", "--detach", "--wait", "tenant")
        assert started.returncode == 0, started.stderr
        yield made
    finally:
        made.compose("--profile", "*", "down", "--volumes", "--timeout", "5")


def test_the_pages_commands_and_the_end_to_end_suite_over_https(clone: World, outside: Outside) -> None:
    prepare, start, change = blocks(PAGE)
    restart, reload, up_again, down = change
    for line in prepare:
        says(clone, line)
    (clone.folder / "tenant.pem").write_text(outside.authority(), encoding="utf-8")
    (clone.folder / "exchange").write_text(OWN_SECRET, encoding="utf-8")
    set_in(
        clone.folder / ".env.prod",
        PUBLIC_HOST=PUBLIC_HOST,
        HTTPS_PORT=outside.variables["HTTPS_PORT"],
        HTTP_PORT=outside.variables["HTTP_PORT"],
        GATEWAY_IMAGE=image_id("caddy:2"),
        SERVER_IMAGE=built(clone, "server")["server"],
        AUTH0_ISSUER=outside.variables["ISSUER"],
        AUTH0_CA_FILE="./tenant.pem",
        EXCHANGE_CLIENT_ID="GatehouseServerDemoClient0000000",
        EXCHANGE_CLIENT_SECRET_FILE="./exchange",
        GATEWAY_TLS="tls internal",
        BIND_ADDRESS=outside.address,
        SECOND_ADDRESS="127.0.0.2",
        COMPOSE_PROFILES="two-gateways",
        SERVER_REPLICAS="3",
        SUBNET="172.31.254.0/24",
    )
    try:
        assert outside.variables["MCP_PUBLIC_URL"] in says(clone, *start)
        root = inside(clone, "exec", "-T", "gateway", "cat", "/data/caddy/pki/authorities/local/root.crt")
        trusted = outside.authority() + root
        tested = outside.suite(trusted, "tests/e2e/stack")
        assert tested.returncode == 0, tested.stdout[-6000:] + tested.stderr[-2000:]
        containers_are_bounded(clone)
        containers_are_confined(clone)
        port = int(outside.variables["HTTPS_PORT"])
        assert readiness("127.0.0.2", port, root) == 200, "the second gateway has a certificate of the same authority"

        servers = inside(clone, "ps", "--quiet", "server").split()
        says(clone, restart)
        restarted = inside(clone, "ps", "--quiet", "server").split()
        assert (len(restarted), set(restarted) & set(servers)) == (3, set())
        says(clone, reload)
        for gateway in ("gateway", "gateway-2"):
            assert "load complete" in inside(clone, "logs", "--no-log-prefix", gateway), gateway
        with wrong_configuration(clone.folder / "gateway" / "servers.caddy"):
            refused = clone.shell(reload)
        assert refused.returncode != 0
        assert "The gateway keeps its old configuration: File to import not found: nothing" in refused.stderr
        says(clone, up_again)
        assert inside(clone, "ps", "--quiet", "server").split() == restarted, "nothing has changed"
        set_in(clone.folder / ".env.prod", TZ="Asia/Tokyo")
        says(clone, up_again)
        changed = inside(clone, "ps", "--quiet", "server").split()
        assert (len(changed), set(changed) & set(restarted)) == (3, set())
        again = outside.suite(trusted, "tests/e2e/stack/test_story.py", "-k", "signs_in")
        assert again.returncode == 0, again.stdout[-6000:] + again.stderr[-2000:]
        says(clone, down)
        assert inside(clone, "ps", "--all", "--quiet") == ""
    finally:
        inside(clone, "--profile", "*", "down", "--volumes", "--timeout", "5")


@contextlib.contextmanager
def wrong_configuration(file: Path) -> Iterator[None]:
    """A line in it that Caddy refuses."""
    right = file.read_text(encoding="utf-8")
    file.write_text(f"{right}\nimport nothing\n", encoding="utf-8")
    yield
    file.write_text(right, encoding="utf-8")


def says(clone: World, line: str) -> str:
    """Run a line of the page. Returns what it prints."""
    done = clone.shell(line)
    assert done.returncode == 0, line + done.stdout + done.stderr
    return done.stdout


def set_in(file: Path, **variables: str) -> None:
    """Add variables to a file: the last line of a name counts."""
    with file.open("a", encoding="utf-8") as opened:
        opened.writelines(f"{name}={value}\n" for name, value in variables.items())


def readiness(address: str, port: int, root: str) -> int:
    """The status of `/readyz` through the gateway on that address, with its certificate checked."""
    context = ssl.create_default_context(cadata=root)
    connection = http.client.HTTPSConnection(PUBLIC_HOST, port, timeout=10)
    connection.sock = context.wrap_socket(socket.create_connection((address, port)), server_hostname=PUBLIC_HOST)
    with contextlib.closing(connection):
        connection.request("GET", "/readyz")
        return connection.getresponse().status


def inside(clone: World, *arguments: str) -> str:
    """What a command of Compose prints about the stack."""
    project = clone.variables["COMPOSE_PROJECT_NAME"]
    files = ["--env-file", ".env.prod", "--file", "docker-compose.prod.yml"]
    command = ["docker", "compose", "--project-name", project, *files, *arguments]
    done = subprocess.run(
        command, cwd=clone.folder, env=compose_environment(), capture_output=True, text=True, check=True
    )
    return done.stdout


def containers_are_bounded(clone: World) -> None:
    """Memory, processors, processes and logs have limits; no secret is in the environment."""
    secret = (clone.folder / "secrets" / "request_state_secret").read_text(encoding="utf-8")
    running = containers.of_project(clone.variables["COMPOSE_PROJECT_NAME"])
    assert len(running) == 5
    for container in running:
        host = container.facts["HostConfig"]
        assert host["Memory"] > 0
        assert host["NanoCpus"] > 0
        assert host["PidsLimit"] > 0
        assert host["LogConfig"]["Config"] == {"max-file": "5", "max-size": "10m"}
        assert host["RestartPolicy"]["Name"] == "unless-stopped"
        assert secret not in json.dumps(container.facts)


def containers_are_confined(clone: World) -> None:
    """They have no right that they do not need. docker-compose.prod.yml says why the gateway's user is root."""
    for container in containers.of_project(clone.variables["COMPOSE_PROJECT_NAME"]):
        service = "gateway" if container.service == "gateway-2" else container.service
        container = replace(container, service=service)
        containers.is_confined(container)
        containers.has_processes_without_rights(container, root=service == "gateway")
        containers.cannot_change_its_files(container)
        assert containers.listening(container) == {"gateway": {80, 443}, "server": {5555}}[service]
