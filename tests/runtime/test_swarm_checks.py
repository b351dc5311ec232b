"""`make deploy` without a Swarm: a substitute for `docker` answers, and records its command lines."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import trustme
import yaml

from tests.support.processes import ROOT, environment_without_settings

PROJECT = ("scripts/stack", "deploy/swarm", "gateway", "docker-compose.prod.yml", "Makefile")
STACK = yaml.safe_load((ROOT / "deploy" / "swarm" / "stack.yml").read_text(encoding="utf-8"))
COMPOSE = yaml.safe_load((ROOT / "docker-compose.prod.yml").read_text(encoding="utf-8"))
PROGRAM = r"""#!/bin/sh
echo "$*" >> {folder}/journal
case "$*" in
    "info --format {{{{.Swarm."*) echo "{swarm}" ;;
    "version --format {{{{.Client.Version}}}}") echo "{version}" ;;
    pull*) {pull} ;;
    *"server --check") {check} ;;
    "stack deploy"*) env > {folder}/environment; cp {folder}/project/.run/deploy-*/further.yml {folder}; {deploy} ;;
    "service ls"*) if grep -q "stack deploy" {folder}/journal; then echo gatehouse_server; fi ;;
    "service inspect --format"*) echo '{update}' ;;
    "service ps"*) for task in {failures}; do printf "$task\tFailed now\tnode3\ttask: non-zero exit (2)\n"; done ;;
    "service logs"*) echo "gatehouse-server: the reason" ;;
    "secret ls"*) printf 'used\nunused\n' ;;
    "service inspect"*) echo used ;;
esac
"""


@dataclass
class Deployment:
    """`make deploy` in a copy of the project whose variables are right, with a Docker whose answers a test changes."""

    folder: Path
    settings: dict[str, str]
    answers: dict[str, str] = field(
        default_factory=lambda: {
            "swarm": "active true",
            "version": "28.2.2",
            "pull": "true",
            "check": "true",
            "deploy": "true",
            "failures": "1",
            "update": '{"State": "completed"}',
        }
    )

    def run(self, **changes: str) -> subprocess.CompletedProcess[str]:
        program = self.folder / "docker"
        program.write_text(PROGRAM.format(folder=self.folder, **self.answers), encoding="utf-8")
        program.chmod(0o755)
        (self.folder / "journal").write_text("", encoding="utf-8")
        lines = "".join(f"{name}={value}\n" for name, value in {**self.settings, **changes}.items())
        (self.folder / "project" / ".env.prod").write_text(lines, encoding="utf-8")
        return subprocess.run(
            ["make", f"PYTHON={sys.executable}", "deploy"],
            cwd=self.folder / "project",
            env={
                **environment_without_settings("COMPOSE_", "STACK_", "OIDC_", "SERVER_", "TLS_"),
                "PATH": f"{self.folder}{os.pathsep}{os.environ['PATH']}",
                "MAKEFLAGS": "--no-print-directory",
            },
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def write(self, name: str, content: str) -> None:
        (self.folder / "project" / "secrets" / name).write_text(content, encoding="utf-8")

    @property
    def commands(self) -> list[str]:
        return (self.folder / "journal").read_text(encoding="utf-8").splitlines()

    def variables(self) -> dict[str, str]:
        """The variables of stack.yml in the last deployment."""
        lines = (self.folder / "environment").read_text(encoding="utf-8").splitlines()
        return dict(line.split("=", 1) for line in lines if "=" in line)

    def further(self) -> dict[str, Any]:
        """The second file of the stack in the last deployment."""
        found: dict[str, Any] = json.loads((self.folder / "further.yml").read_text(encoding="utf-8"))
        return found


@pytest.fixture
def deployment(tmp_path: Path) -> Deployment:
    project = tmp_path / "project"
    for name in PROJECT:
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, project / name)
        else:
            shutil.copy(ROOT / name, project / name)
    made = Deployment(
        tmp_path,
        {
            "PUBLIC_HOST": "mcp.example.com",
            "AUTH0_DOMAIN": "tenant.example.com",
            "SERVER_IMAGE": "registry.example.com/gatehouse-server:1.0.0",
            "REQUEST_STATE_SECRET_FILE": "secrets/request_state_secret",
            "TLS_CERTIFICATE_FILE": "secrets/certificate.pem",
            "TLS_KEY_FILE": "secrets/key.pem",
        },
    )
    (project / "secrets").mkdir()
    made.write("request_state_secret", "a-random-secret-of-more-than-32-characters")
    certificate = trustme.CA().issue_cert("mcp.example.com")
    certificate.cert_chain_pems[0].write_to_path(project / "secrets" / "certificate.pem")
    certificate.private_key_pem.write_to_path(project / "secrets" / "key.pem")
    return made


def refused(deployment: Deployment, **changes: str) -> str:
    """The refusal. Nothing was deployed."""
    done = deployment.run(**changes)
    assert done.returncode != 0, done.stdout
    assert "Traceback" not in done.stderr
    assert not [command for command in deployment.commands if command.startswith("stack deploy")]
    return re.sub(r"\n?make(\[\d+\])?: .*", "", done.stderr).strip()


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ({"swarm": "inactive false"}, "This machine is in no Swarm (its state is inactive)"),
        ({"swarm": "active false"}, "This machine is a worker of the Swarm"),
        ({"version": "25.0.3"}, "The docker command is version 25.0.3: version 26 or later is needed"),
        ({"pull": "echo 'no such manifest' >&2; exit 1"}, "the image cannot be used (no such manifest). Push it with"),
        ({"check": "echo 'gatehouse-server: wrong' >&2; exit 2"}, "wrong"),
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
        ({"PUBLIC_HOST": ""}, "PUBLIC_HOST is missing"),
        ({"REQUEST_STATE_SECRET_FILE": "secrets/none"}, "REQUEST_STATE_SECRET_FILE is 'secrets/none': the file cannot"),
        ({"REQUEST_STATE_SECRET": "by-value"}, "REQUEST_STATE_SECRET is set by value"),
        ({"TLS_KEY_FILE": ""}, "TLS_KEY_FILE is missing: files with the certificate of https://mcp.example.com/mcp"),
        ({"TLS_CERTIFICATE_FILE": "secrets/key.pem"}, "TLS_CERTIFICATE_FILE and TLS_KEY_FILE do not fit"),
        ({"SERVER_IMAGE": ""}, "SERVER_IMAGE is missing: the server's image in a registry"),
        ({"SERVER_IMAGE": "gatehouse-server"}, "SERVER_IMAGE is 'gatehouse-server': its content could change"),
        ({"UPSTREAM_FOLDER": "./server"}, "UPSTREAM_FOLDER is './server': the nodes do not have it"),
        ({"GATEWAY_IMAGE": "caddy:latest"}, "GATEWAY_IMAGE is 'caddy:latest': its content could change"),
    ],
)
def test_each_wrong_variable_is_one_message(deployment: Deployment, changes: dict[str, str], message: str) -> None:
    said = refused(deployment, **changes)
    assert message in said
    assert len(said.splitlines()) == 1
    assert "by-value" not in said


def test_several_wrong_variables_are_named_together(deployment: Deployment) -> None:
    said = refused(deployment, SERVER_IMAGE="", TLS_CERTIFICATE_FILE="", TLS_KEY_FILE="", PUBLIC_HOST="")
    assert len(said.splitlines()) == 3


def test_a_certificate_of_another_key_is_refused(deployment: Deployment) -> None:
    other = deployment.folder / "project" / "secrets" / "other.pem"
    trustme.CA().issue_cert("mcp.example.com").private_key_pem.write_to_path(other)
    assert "do not fit (KEY_VALUES_MISMATCH)" in refused(deployment, TLS_KEY_FILE="secrets/other.pem")


def test_the_server_of_that_image_checks_the_variables_without_a_network(deployment: Deployment) -> None:
    assert deployment.run().returncode == 0
    (check,) = [command for command in deployment.commands if command.endswith("server --check")]
    assert "--file docker-compose.prod.yml --file deploy/swarm/check.yml" in check
    added = (ROOT / "deploy" / "swarm" / "check.yml").read_text(encoding="utf-8")
    assert "network_mode: none" in added


def test_without_a_registry_the_image_has_to_be_on_this_machine(deployment: Deployment) -> None:
    assert deployment.run(RESOLVE_IMAGE="never").returncode == 0
    assert "image inspect registry.example.com/gatehouse-server:1.0.0" in deployment.commands
    assert not [command for command in deployment.commands if command.startswith("pull")]


def test_only_a_changed_secret_changes_its_name_and_no_command_has_it(deployment: Deployment) -> None:
    names = []
    for secret in ("one-random-secret", "one-random-secret", "another-random-secret"):
        deployment.write("request_state_secret", secret)
        done = deployment.run()
        assert done.returncode == 0, done.stderr
        assert secret not in done.stdout + done.stderr + "".join(deployment.commands)
        names.append(deployment.variables())
    first, second, third = (each["REQUEST_STATE_SECRET_NAME"] for each in names)
    assert re.fullmatch("gatehouse_request_state_secret_[0-9a-f]{12}", first)
    assert first == second != third
    assert len({each["TLS_KEY_NAME"] for each in names}) == 1


def test_what_no_service_has_is_removed_and_what_the_way_back_needs_stays(deployment: Deployment) -> None:
    assert deployment.run().returncode == 0
    assert [command for command in deployment.commands if " rm " in command] == ["secret rm unused"]


def test_an_update_that_the_swarm_takes_back_is_an_error_with_its_reason(deployment: Deployment) -> None:
    deployment.answers["update"] = '{"State": "rollback_completed"}'
    done = deployment.run()
    assert done.returncode != 0
    assert "The update of gatehouse_server was taken back, because new replicas failed." in done.stderr
    assert "node3: task: non-zero exit (2)" in done.stderr
    assert "gatehouse-server: the reason" in done.stderr


def test_a_new_stack_whose_servers_fail_again_and_again_is_an_error(deployment: Deployment) -> None:
    deployment.answers["failures"] = "1 2 3 4 5"
    deployment.answers["deploy"] = "exec sleep 60"
    done = deployment.run()
    assert done.returncode != 0
    assert "The replicas of gatehouse_server do not start." in done.stderr
    assert "gatehouse-server: the reason" in done.stderr


def test_calls_between_nodes_are_encrypted_unless_that_is_switched_off(deployment: Deployment) -> None:
    assert STACK["networks"]["inside"]["driver_opts"] == {"encrypted": ""}
    for switch, expected in {"": False, "off": True}.items():
        assert deployment.run(OVERLAY_ENCRYPTION=switch).returncode == 0
        (command,) = [command for command in deployment.commands if command.startswith("stack deploy")]
        assert ("unencrypted.yml" in command) == expected


def test_each_file_of_the_server_is_given_to_the_servers_only(deployment: Deployment) -> None:
    deployment.write("permissions.yaml", "tools: {}\n")
    done = deployment.run(PERMISSIONS_FILE="secrets/permissions.yaml")
    assert done.returncode == 0, done.stderr
    further = deployment.further()
    assert list(further["services"]) == ["server"]
    assert further["services"]["server"]["environment"] == {
        "REQUEST_STATE_SECRET_FILE": "/run/secrets/request_state_secret",
        "PERMISSIONS_FILE": "/run/gatehouse/permissions",
    }
    assert further["secrets"]["request_state_secret"]["name"] == "${REQUEST_STATE_SECRET_NAME}"
    assert further["configs"]["permissions"]["name"] == "${PERMISSIONS_NAME}"


def test_the_servers_of_a_swarm_get_every_variable_that_those_of_compose_get() -> None:
    ours, theirs = (each["services"]["server"]["environment"] for each in (STACK, COMPOSE))
    files = {name for name in theirs if name.endswith("_FILE")}
    assert set(ours) == set(theirs) - files - {"UPSTREAM_FOLDER"}
