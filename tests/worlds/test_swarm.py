"""Servers and gateways on a Swarm of three nodes, under the load of 16 clients, as docs/swarm.md tells it.

The tests follow each other on one Swarm. Each begins and ends with three servers that run.
"""

from __future__ import annotations

import os
import re
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from tests.soak.clients import Client
from tests.soak.load import Load
from tests.support.free_ports import free_ports
from tests.support.processes import environment_without_settings, running_process
from tests.worlds.conftest import ROOT, RUNTIME, World, clone
from tests.worlds.swarm_nodes import SwarmNodes, docker

PAGE = (ROOT / "docs" / "swarm.md").read_text(encoding="utf-8")
HOST = "mcp.example.test"
IMAGES = {"SERVER_IMAGE": "gatehouse-world-swarm-server:1.0.0", "GATEWAY_IMAGE": "gatehouse-world-swarm-gateway:1.0.0"}
CONTROL = {"Authorization": "Bearer swarm-control"}
CLIENTS = 16
CALLS_PER_SECOND = 150
DETECTION_SECONDS = 30
"""The managers miss three heartbeats of a dead node, at intervals of 5 s. Then the gateways learn that it is gone."""

pytestmark = pytest.mark.docker


@dataclass(frozen=True)
class Site:
    """A clone whose stack is on the Swarm.

    Attributes:
        port: of each gateway.
        authority: the file with the authority of the certificates.
        tokens: of each client, by its subject.
    """

    nodes: SwarmNodes
    world: World
    port: int
    authority: Path
    tokens: dict[str, str]

    def make_deploy(self, **more: str) -> subprocess.CompletedProcess[str]:
        return self.world.shell("make deploy", **more)

    def run(self, section: str) -> list[str]:
        """Run the commands of a section of the page, and return their output.

        Raises:
            AssertionError: one failed.
        """
        text = PAGE.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
        printed = []
        for line in "".join(re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)).splitlines():
            done = self.world.shell(re.sub(r"\bgatehouse(?=_|$)", self.nodes.stack, line))
            assert done.returncode == 0, line + done.stdout + done.stderr
            printed.append(done.stdout)
        assert printed, section
        return printed

    @contextmanager
    def load(self) -> Iterator[Load]:
        """Clients that call through all gateways, from before the block to after it."""
        gateways = [(address, self.port) for address in self.nodes.addresses().values()]
        tls = ssl.create_default_context(cafile=str(self.authority))
        clients = [
            Client(HOST, self.port, subject, token, gateways=gateways[number % 3 :] + gateways[: number % 3], tls=tls)
            for number, (subject, token) in enumerate(self.tokens.items())
        ]
        with Load(clients, CALLS_PER_SECOND) as running:
            running.wait_for_calls(5 * CLIENTS, 60)
            yield running
            running.wait_for_calls(5 * CLIENTS, 60)

    def wait_for_servers(self, *nodes: str, seconds: float = 120) -> None:
        """Wait until three servers run, on two or more of these nodes, and on no other."""

        def are_there() -> bool:
            placed = self.nodes.placed("server")
            return placed.total() == 3 and len(placed) >= 2 and set(placed) <= set(nodes)

        self.nodes.wait(f"three servers on {nodes}", are_there, seconds)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    if RUNTIME != "docker":
        pytest.skip("needs Docker")
    helper = os.environ.get("SWARM_HELPER", "")
    if not helper:
        pytest.skip("needs SWARM_HELPER, a program that makes a Swarm on this machine (tests/worlds/swarm_nodes.py)")
    if not os.access(helper, os.X_OK):
        pytest.fail(f"SWARM_HELPER is {helper}: there is no such program")
    folder = tmp_path_factory.mktemp("swarm")
    nodes = SwarmNodes(helper, f"gatehouse-world-{os.getpid()}-swarm")
    docker("build", "--quiet", "--tag", IMAGES["SERVER_IMAGE"], str(ROOT / "server"))
    docker("tag", "caddy:2", IMAGES["GATEWAY_IMAGE"])
    try:
        nodes.help("up", "3")
        with ThreadPoolExecutor() as loads:
            list(loads.map(lambda image: nodes.help("load", image), IMAGES.values()))
        manager = docker("node", "inspect", "self", "--format", "{{.Status.Addr}}").strip()
        with tenant(folder / "tenant", manager) as (issuer, tokens):
            yield deployed(folder, nodes, issuer, tokens)
    finally:
        nodes.help("down")


@contextmanager
def tenant(folder: Path, address: str) -> Iterator[tuple[str, dict[str, str]]]:
    """A tenant over https on the manager's address: its issuer, and the token of each client."""
    folder.mkdir()
    (port,) = free_ports(1)
    issuer = f"https://{address}:{port}/"
    certificate = [sys.executable, "-m", "mock_idp", "certificate", str(folder), address, HOST]
    subprocess.run(certificate, check=True, env=environment_without_settings())
    variables = {
        "AUTH0_ISSUER": issuer,
        "MOCK_IDP_HOST": address,
        "MOCK_IDP_PORT": str(port),
        "MOCK_IDP_TENANT": str(ROOT / "auth0" / "tenant.yaml"),
        "MOCK_IDP_TLS_CERT_FILE": str(folder / "certificate.pem"),
        "MOCK_IDP_TLS_KEY_FILE": str(folder / "key.pem"),
        "MCP_PUBLIC_URL": f"https://{HOST}/mcp",
        "MOCK_IDP_CONTROL": "true",
        "MOCK_IDP_CONTROL_TOKEN": CONTROL["Authorization"].removeprefix("Bearer "),
    }
    environment = {**environment_without_settings(), **variables}
    trusted = ssl.create_default_context(cafile=str(folder / "ca.pem"))
    command = [sys.executable, "-m", "mock_idp"]
    with running_process(command, environment, folder, log=folder / "log"):
        with httpx2.Client(base_url=issuer, verify=trusted, headers=CONTROL) as http:
            subjects = [f"auth0|client-{number}" for number in range(CLIENTS)]
            tokens = {subject: minted(http, subject) for subject in subjects}
        yield issuer, tokens


def minted(http: httpx2.Client, subject: str) -> str:
    """A token of that user. The tenant may be starting still."""
    deadline = time.monotonic() + 60
    while True:
        try:
            return str(http.post("__mock__/tokens", json={"claims": {"sub": subject}}).json()["token"])
        except httpx2.TransportError:
            assert time.monotonic() < deadline, "the tenant does not answer"
            time.sleep(0.1)


def deployed(folder: Path, nodes: SwarmNodes, issuer: str, tokens: dict[str, str]) -> Site:
    """A clone with the settings of the page, deployed."""
    (port,) = free_ports(1)
    settings = {
        "PUBLIC_HOST": HOST,
        "HTTPS_PORT": str(port),
        "AUTH0_ISSUER": issuer,
        "AUTH0_AUDIENCE": f"https://{HOST}/mcp",
        "AUTH0_CA_FILE": str(folder / "tenant" / "ca.pem"),
        "REQUEST_STATE_SECRET_FILE": "secrets/request_state_secret",
        "TLS_CERTIFICATE_FILE": str(folder / "tenant" / "certificate.pem"),
        "TLS_KEY_FILE": str(folder / "tenant" / "key.pem"),
        **IMAGES,
        # The images are on each node, and this machine's kernel may have no IPsec.
        "RESOLVE_IMAGE": "never",
        "OVERLAY_ENCRYPTION": "off",
    }
    world = World(clone(folder / "gatehouse", ""), {"COMPOSE_PROJECT_NAME": nodes.stack})
    lines = "".join(f"{name}={value}\n" for name, value in settings.items())
    (world.folder / ".env.prod").write_text(lines, encoding="utf-8")
    site = Site(nodes, world, port, folder / "tenant" / "ca.pem", tokens)
    site.run("Deploy")
    return site


def test_a_new_stack_has_a_gateway_on_each_node_and_its_servers_spread(site: Site) -> None:
    names = set(site.nodes.addresses())
    assert len(names) == 3
    assert site.nodes.placed("server") == dict.fromkeys(names, 1)
    assert site.nodes.placed("gateway") == dict.fromkeys(names, 1)
    with site.load() as load:
        pass
    assert load.failures() == []
    for task in site.nodes.tasks("server"):
        assert '"whoami"' in docker("service", "logs", "--raw", task.identifier), (
            f"the server on {task.node} has no call"
        )


def test_a_new_secret_and_a_new_gateway_configuration_replace_all_one_by_one_and_no_call_is_lost(site: Site) -> None:
    before = {task.identifier for service in ("server", "gateway") for task in site.nodes.tasks(service)}
    caddyfile = site.world.folder / "deploy" / "swarm" / "Caddyfile"
    caddyfile.write_text(caddyfile.read_text(encoding="utf-8") + "# changed\n", encoding="utf-8")
    with site.load() as load:
        site.run("Rotate a secret")
    assert load.failures() == []
    for service in ("server", "gateway"):
        assert before.isdisjoint(task.identifier for task in site.nodes.tasks(service))
    site.wait_for_servers(*site.nodes.addresses())


def test_the_way_back_loses_no_call_and_has_the_secret_of_before(site: Site) -> None:
    secret = "{{(index .Spec.TaskTemplate.ContainerSpec.Secrets 0).SecretName}}"
    service = f"{site.nodes.stack}_server"
    if not docker("service", "inspect", "--format", "{{if .PreviousSpec}}there{{end}}", service).strip():
        site.run("Rotate a secret")  # no test before this one has updated the servers
    newer = docker("service", "inspect", "--format", secret, service)
    with site.load() as load:
        site.run("Roll back")
    assert load.failures() == []
    assert docker("service", "inspect", "--format", secret, service) != newer
    site.wait_for_servers(*site.nodes.addresses())


def test_an_update_whose_servers_do_not_become_ready_is_taken_back_and_no_call_is_lost(site: Site) -> None:
    with site.load() as load:
        done = site.make_deploy(AUTH0_ISSUER="https://127.0.0.1:1/")
    assert load.failures() == []
    assert done.returncode != 0
    assert "was taken back, because new replicas failed" in done.stderr
    site.wait_for_servers(*site.nodes.addresses())


def test_a_drained_node_loses_no_call(site: Site) -> None:
    rest = sorted(set(site.nodes.addresses()) - {"node3"})
    with site.load() as load:
        site.run("Take a node out")
        site.wait_for_servers(*rest)
        site.nodes.wait("no gateway on node3", lambda: set(site.nodes.placed("gateway")) == set(rest))
        load.wait_for_calls(20 * CLIENTS, 60)
    assert load.failures() == []
    with site.load() as load:
        site.run("Add a node")
        site.wait_for_servers(*site.nodes.addresses())
        site.nodes.wait("a server on node3", lambda: "node3" in site.nodes.placed("server"))
        site.nodes.wait("a gateway on node3", lambda: "node3" in site.nodes.placed("gateway"))
    assert load.failures() == []


def test_a_dead_node_is_replaced_without_a_hand_and_calls_are_lost_only_until_it_is_found_dead(site: Site) -> None:
    rest = sorted(set(site.nodes.addresses()) - {"node2"})
    with site.load() as load:
        killed = time.monotonic()
        site.nodes.help("kill", "2")
        site.nodes.wait("node2 is found dead", lambda: "node2" not in site.nodes.addresses(), DETECTION_SECONDS)
        site.wait_for_servers(*rest, seconds=60)
        whole = time.monotonic()
        load.wait_for_calls(40 * CLIENTS, 60)
    lost = load.failures()
    assert {call.fate for call in lost} <= {"lost"}
    assert load.failures(min(whole, killed + DETECTION_SECONDS)) == []
    site.run("Lose a node")
    assert "node2" not in docker("node", "ls")


def test_the_stack_is_removed_with_its_secrets(site: Site) -> None:
    site.run("Remove")
    for kind in ("service", "secret", "config"):
        assert site.nodes.stack not in docker(kind, "ls")
