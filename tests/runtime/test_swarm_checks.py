"""`make deploy` without a Swarm: a substitute for `docker` answers, and records its command lines."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import trustme
import yaml

from tests.support.processes import ROOT, environment_without_settings

SECRET = "a-random-secret-of-more-than-32-characters"
DEMO_SECRET = "demo-secret-of-the-offline-tenant-never-use-it-with-a-real-one-3"
STACK = yaml.safe_load((ROOT / "deploy" / "swarm" / "stack.yml").read_text(encoding="utf-8"))
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
# No offline tenant is there, and the names of files come from `make deploy`. The proxies have only one spelling.
NOT_ON_A_SWARM = {"OFFLINE_TENANT", "TZ", "ALL_PROXY", "no_proxy"}
FILES = {
    *("REQUEST_STATE_SECRET", "EXCHANGE_CLIENT_SECRET", "INTROSPECTION_CLIENT_SECRET"),
    *("UPSTREAM_KEY_FILE", "PERMISSIONS_FILE", "AUTH0_CA_FILE"),
}
PROGRAM = """#!/bin/sh
echo "$*" >> {folder}/journal
case "$*" in
    "info --format {{{{.Swarm."*) echo "{swarm}" ;;
    "version --format {{{{.Client.Version}}}}") echo "{version}" ;;
    *"config --format json") env > {folder}/environment; echo '{{"services": {{"server": {{"environment": {{}}}}}}}}' ;;
    pull*) {pull} ;;
    *--check) {check} ;;
    "service ls"*) if grep -q "stack deploy" {folder}/journal; then echo gatehouse_server; fi ;;
    "service inspect --format"*) echo '{update}' ;;
    "service ps"*) echo 'abc Failed 2 seconds ago	node3: task: non-zero exit (2)' ;;
    "service logs"*) echo "gatehouse-server: the reason" ;;
    "secret ls"*) printf 'used\\nunused\\n' ;;
    "service inspect"*) echo used ;;
esac
"""


@dataclass
class Deployment:
    """`make deploy` with settings that are right, and a Docker whose answers a test changes."""

    folder: Path
    settings: dict[str, str]
    answers: dict[str, str] = field(
        default_factory=lambda: {
            "swarm": "active true",
            "version": "28.2.2",
            "pull": "true",
            "check": "true",
            "update": '{"State": "completed"}',
        }
    )

    def run(self, **changes: str) -> subprocess.CompletedProcess[str]:
        program = self.folder / "docker"
        program.write_text(PROGRAM.format(folder=self.folder, **self.answers), encoding="utf-8")
        program.chmod(0o755)
        (self.folder / "journal").write_text("", encoding="utf-8")
        return subprocess.run(
            [sys.executable, "scripts/stack", "deploy"],
            cwd=ROOT,
            env={
                **environment_without_settings("COMPOSE_"),
                "PATH": f"{self.folder}{os.pathsep}{os.environ['PATH']}",
                "STACK_RUN_DIR": str(self.folder / "run"),
                **self.settings,
                **changes,
            },
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    @property
    def commands(self) -> list[str]:
        return (self.folder / "journal").read_text(encoding="utf-8").splitlines()

    def variables(self) -> dict[str, str]:
        """The variables of stack.yml in the last deployment."""
        lines = (self.folder / "environment").read_text(encoding="utf-8").splitlines()
        return dict(line.split("=", 1) for line in lines if "=" in line)


@pytest.fixture
def deployment(tmp_path: Path) -> Deployment:
    certificate = trustme.CA().issue_cert("mcp.example.com")
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "certificate.pem")
    certificate.private_key_pem.write_to_path(tmp_path / "key.pem")
    settings = {
        "AUTH0_DOMAIN": "tenant.example.com",
        "AUTH0_ISSUER": "",
        "OIDC_ISSUER": "",
        "MCP_PUBLIC_URL": "https://mcp.example.com/mcp",
        "SERVER_IMAGE": "registry.example.com/gatehouse-server:1.0.0",
        "REQUEST_STATE_SECRET": SECRET,
        "EXCHANGE_CLIENT_ID": "",
        "EXCHANGE_CLIENT_SECRET": "",
        "TLS_CERTIFICATE_FILE": str(tmp_path / "certificate.pem"),
        "TLS_KEY_FILE": str(tmp_path / "key.pem"),
        "COMPOSE_PROJECT_NAME": "",
    }
    return Deployment(tmp_path, settings)


def refused(deployment: Deployment, **changes: str) -> str:
    """The refusal. Nothing was deployed."""
    done = deployment.run(**changes)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert not [command for command in deployment.commands if command.startswith("stack deploy")]
    return done.stderr.strip()


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ({"swarm": "inactive false"}, "This machine is in no Swarm (its state is inactive)"),
        ({"swarm": "active false"}, "This machine is a worker of the Swarm"),
        ({"version": "25.0.3"}, "The docker command is version 25.0.3: version 26 or later is needed"),
        ({"pull": "echo 'no such manifest' >&2; exit 1"}, "the image cannot be used (no such manifest). Push it with"),
        ({"check": "echo 'gatehouse-server: wrong' >&2; exit 2"}, "gatehouse-server: wrong"),
    ],
)
def test_what_the_docker_of_this_machine_cannot_do_is_one_message(
    deployment: Deployment, answer: dict[str, str], message: str
) -> None:
    deployment.answers |= answer
    said = refused(deployment)
    assert message in said
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"AUTH0_DOMAIN": ""}, "No tenant is set"),
        ({"MCP_PUBLIC_URL": "http://mcp.example.com/mcp"}, "MCP_PUBLIC_URL is http://mcp.example.com/mcp"),
        ({"REQUEST_STATE_SECRET": ""}, "REQUEST_STATE_SECRET is missing"),
        ({"EXCHANGE_CLIENT_SECRET": DEMO_SECRET}, "EXCHANGE_CLIENT_SECRET is of the offline tenant, and public"),
        ({"TLS_KEY_FILE": ""}, "TLS_KEY_FILE is missing"),
        ({"SERVER_IMAGE": ""}, "SERVER_IMAGE is missing"),
        ({"SERVER_IMAGE": "gatehouse-server"}, "SERVER_IMAGE is gatehouse-server: the same name can be another image"),
        ({"SERVER_IMAGE": "gatehouse-server:latest"}, "Name an exact version"),
        ({"GATEWAY_IMAGE": "caddy:latest"}, "GATEWAY_IMAGE is caddy:latest"),
        ({"PERMISSIONS_FILE": "no-such.yaml"}, "PERMISSIONS_FILE is 'no-such.yaml': the file cannot be read"),
    ],
)
def test_each_wrong_setting_is_one_message(deployment: Deployment, changes: dict[str, str], message: str) -> None:
    said = refused(deployment, **changes)
    assert message in said
    assert len(said.splitlines()) == 1
    assert DEMO_SECRET not in said


def test_several_wrong_settings_are_named_together(deployment: Deployment) -> None:
    said = refused(deployment, REQUEST_STATE_SECRET="", SERVER_IMAGE="", TLS_CERTIFICATE_FILE="", TLS_KEY_FILE="")
    assert len(said.splitlines()) == 3


def test_a_certificate_of_another_key_is_refused(deployment: Deployment) -> None:
    other = deployment.folder / "other.pem"
    trustme.CA().issue_cert("mcp.example.com").private_key_pem.write_to_path(other)
    assert "TLS_CERTIFICATE_FILE and TLS_KEY_FILE do not fit" in refused(deployment, TLS_KEY_FILE=str(other))


def test_without_a_registry_the_image_has_to_be_on_this_machine(deployment: Deployment) -> None:
    assert deployment.run(SWARM_RESOLVE_IMAGE="never").returncode == 0
    assert "image inspect registry.example.com/gatehouse-server:1.0.0" in deployment.commands
    assert not [command for command in deployment.commands if command.startswith("pull")]


def test_only_a_changed_secret_changes_its_name_and_no_file_with_a_secret_stays(deployment: Deployment) -> None:
    names = []
    for secret in (SECRET, SECRET, SECRET.upper()):
        done = deployment.run(REQUEST_STATE_SECRET=secret)
        assert done.returncode == 0, done.stderr
        assert secret not in done.stdout + done.stderr + "".join(deployment.commands)
        names.append(deployment.variables())
    first, second, third = (each["REQUEST_STATE_SECRET_NAME"] for each in names)
    assert re.fullmatch("gatehouse_request_state_secret_[0-9a-f]{12}", first)
    assert first == second != third
    assert len({each["TLS_KEY_NAME"] for each in names}) == 1
    assert list((deployment.folder / "run").iterdir()) == []


def test_what_no_service_has_is_removed_and_what_the_way_back_needs_stays(deployment: Deployment) -> None:
    assert deployment.run().returncode == 0
    assert [command for command in deployment.commands if " rm " in command] == ["secret rm unused"]


def test_an_update_that_the_swarm_takes_back_is_an_error_with_its_reason(deployment: Deployment) -> None:
    deployment.answers["update"] = '{"State": "rollback_completed"}'
    done = deployment.run()
    assert done.returncode == 1
    assert "The update of gatehouse_server was taken back, because new replicas failed." in done.stderr
    assert "node3: task: non-zero exit (2)" in done.stderr
    assert "gatehouse-server: the reason" in done.stderr


def test_the_published_port_is_that_of_the_public_url(deployment: Deployment) -> None:
    for url, port in {"https://mcp.example.com/mcp": "443", "https://mcp.example.com:8443/mcp": "8443"}.items():
        assert deployment.run(MCP_PUBLIC_URL=url).returncode == 0
        assert deployment.variables()["GATEWAY_PORT"] == port


def test_calls_between_nodes_are_encrypted_unless_that_is_switched_off(deployment: Deployment) -> None:
    assert STACK["networks"]["inside"]["driver_opts"] == {"encrypted": ""}
    for switch, expected in {"": False, "off": True}.items():
        assert deployment.run(SWARM_ENCRYPTION=switch).returncode == 0
        (command,) = [command for command in deployment.commands if command.startswith("stack deploy")]
        assert ("unencrypted.yml" in command) == expected


def test_the_servers_of_a_swarm_get_every_variable_that_those_of_compose_get() -> None:
    ours, theirs = (each["services"]["server"]["environment"] for each in (STACK, COMPOSE))
    assert {name for name in theirs if name not in ours} == NOT_ON_A_SWARM | FILES


def test_each_further_file_is_given_to_the_servers_only(deployment: Deployment, tmp_path: Path) -> None:
    table = tmp_path / "permissions.yaml"
    table.write_text("tools: {}\n", encoding="utf-8")
    deployment.answers["check"] = f"cp {tmp_path}/run/deploy-*/more.yml {tmp_path}/more.yml"
    done = deployment.run(PERMISSIONS_FILE=str(table), EXCHANGE_CLIENT_SECRET=SECRET)
    assert done.returncode == 0, done.stderr
    more = json.loads((tmp_path / "more.yml").read_text(encoding="utf-8"))
    assert list(more["services"]) == ["server"]
    assert more["services"]["server"]["environment"] == {
        "EXCHANGE_CLIENT_SECRET_FILE": "/run/secrets/exchange_client_secret",
        "PERMISSIONS_FILE": "/run/gatehouse/permissions",
    }
    assert more["secrets"]["exchange_client_secret"]["name"] == "${EXCHANGE_CLIENT_SECRET_NAME}"
    assert more["configs"]["permissions"]["name"] == "${PERMISSIONS_NAME}"
