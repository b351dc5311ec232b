"""The docker runtime without Docker: a substitute for `docker` records its command lines."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from gatehouse_client.tenant.settings import TenantSettings
from tests.support.processes import ROOT

# The image sets the folder of the tokens. A container has neither a keyring nor a browser. The other variables are in
# MCP_PUBLIC_URL, which follows from them, and in AUTH0_CA_FILE.
_NOT_IN_A_CONTAINER = {
    *("GATEHOUSE_HOME", "GATEHOUSE_KEYRING", "GATEHOUSE_PRIVATE_WINDOW"),
    *("MCP_HOST", "MCP_PORT", "PUBLIC_HOST", "OIDC_CA_FILE"),
}
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "no_proxy")
_DOCKER = """#!/bin/sh
echo "CLIENT_NETWORK=$CLIENT_NETWORK $*" >> {journal}
case "$*" in
    *" run "*) env > {journal}.environment ;;
    *" ps --quiet") echo {running} ;;
    *" ps --quiet gateway") echo {gateway} ;;
esac
"""


@dataclass(frozen=True)
class Docker:
    """A substitute for `docker` at the start of PATH."""

    folder: Path

    def __call__(
        self, *command: str, running: str = "", gateway: str = "", **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run `scripts/stack`.

        Args:
            running: the id of a container of the stack.
            gateway: the id of the gateway's.
            variables: of the shell.
        """
        program = self.folder / "docker"
        program.write_text(_DOCKER.format(journal=self.journal, running=running, gateway=gateway), encoding="utf-8")
        program.chmod(0o755)
        return subprocess.run(
            [sys.executable, "scripts/stack", "--runtime", "docker", *command],
            cwd=ROOT,
            env={
                **os.environ,
                "PATH": f"{self.folder}{os.pathsep}{os.environ['PATH']}",
                "STACK_RUN_DIR": str(self.folder),
                **variables,
            },
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    @property
    def journal(self) -> Path:
        return self.folder / "journal"

    def commands(self, part: str) -> list[str]:
        """The command lines that contain `part`."""
        return [line for line in self.journal.read_text(encoding="utf-8").splitlines() if part in line]

    def container_environment(self) -> list[str]:
        """The environment with which the agent's container was started."""
        return (self.folder / "journal.environment").read_text(encoding="utf-8").splitlines()


@pytest.fixture
def docker(tmp_path: Path) -> Docker:
    return Docker(tmp_path)


def test_without_a_running_stack_the_agents_command_starts_nothing_else(docker: Docker) -> None:
    done = docker("client", "tenant", "plan")
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert "`make up` starts it" in done.stderr
    (ran,) = docker.commands(" run ")
    assert ran.startswith("CLIENT_NETWORK=bridge ")
    assert " run --rm --no-TTY --no-deps " in ran
    assert ran.endswith(" client tenant plan")
    assert docker.commands(" up ") == []


@pytest.mark.parametrize(("command", "extras"), [(["tenant", "plan"], "chat tenant"), (["whoami"], "chat")])
def test_the_agents_image_has_the_packages_that_its_command_needs(
    docker: Docker, command: list[str], extras: str
) -> None:
    none = dict.fromkeys(("MODEL", "GEMINI_API_KEY", "GOOGLE_API_KEY", "OPENAI_API_KEY", "ANTHROPIC_API_KEY"), "")
    assert docker("client", *command, **none).returncode == 0
    assert f"CLIENT_EXTRAS={extras}" in docker.container_environment()


def test_the_agents_container_knows_the_persons_terminal_and_that_make_runs_it(docker: Docker) -> None:
    assert docker("client", "whoami", NO_COLOR="1", TERM="dumb", COLORTERM="").returncode == 0
    (ran,) = docker.commands(" run ")
    assert " --env=NO_COLOR=1 --env=TERM=dumb --env=GATEHOUSE_MAKE=1 client " in ran


def test_the_agents_command_shares_the_running_gateways_network(docker: Docker) -> None:
    done = docker("client", "tools", running="one", gateway="two")
    assert done.returncode == 0, done.stderr
    assert "make up" not in done.stderr
    (ran,) = docker.commands(" run ")
    assert ran.startswith("CLIENT_NETWORK=container:two ")
    assert docker.commands(" up ") == []


def test_only_the_gateway_is_started_if_the_stack_is_incomplete(docker: Docker) -> None:
    done = docker("client", "doctor", running="one")
    assert done.returncode == 0, done.stderr
    (started,) = docker.commands(" up ")
    assert started.endswith(" up --detach --no-deps gateway")


def test_the_demo_runs_in_the_agents_image(docker: Docker) -> None:
    done = docker("demo", running="one", gateway="two")
    assert done.returncode == 0, done.stderr
    (ran,) = docker.commands(" run ")
    assert ran.endswith(" client /demo/tests/e2e/run_demo.py")
    assert " --entrypoint python " in ran
    for name in ("tests/e2e/run_demo.py", "tests/support/scripted_browser.py"):
        assert f" --volume={ROOT / name}:/demo/{name}:ro " in ran
    (built,) = docker.commands(" build ")
    assert built.endswith(" build --quiet client")


def test_a_secret_from_a_file_is_passed_by_value(docker: Docker) -> None:
    secret = docker.folder / "secret"
    secret.write_text("of-the-file\n", encoding="utf-8")
    assert docker("client", "whoami", AUTH0_CLIENT_SECRET_FILE=str(secret)).returncode == 0
    assert "AUTH0_CLIENT_SECRET=of-the-file" in docker.container_environment()
    variables = {"AUTH0_CLIENT_SECRET": "of-the-shell", "AUTH0_CLIENT_SECRET_FILE": str(secret)}
    assert docker("client", "whoami", **variables).returncode == 0
    assert "AUTH0_CLIENT_SECRET=of-the-shell" in docker.container_environment()


def test_an_empty_secret_of_the_shell_overrides_dotenv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "scripts" / "stack"))
    environment = importlib.import_module("environment")
    (tmp_path / "secret").write_text("of-the-file\n", encoding="utf-8")
    dotenv = environment.Environment({"GATEHOUSE_TOKEN_FILE": str(tmp_path / "secret")})
    monkeypatch.delenv("GATEHOUSE_TOKEN", raising=False)
    assert dotenv.secrets(["GATEHOUSE_TOKEN"]) == {"GATEHOUSE_TOKEN": "of-the-file"}
    monkeypatch.setenv("GATEHOUSE_TOKEN", "")
    assert dotenv.secrets(["GATEHOUSE_TOKEN"]) == {}


def test_an_unreadable_secret_file_is_a_one_line_error(docker: Docker) -> None:
    refused = docker("client", "whoami", GATEHOUSE_ASSERTION_FILE="/nowhere/token")
    assert refused.returncode == 1
    assert "GATEHOUSE_ASSERTION_FILE is '/nowhere/token': the file cannot be read" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert docker.commands(" run ") == []


def test_the_ca_file_is_passed_by_its_absolute_path(docker: Docker) -> None:
    authority = docker.folder / "ca.pem"
    authority.touch()
    assert docker("client", "tenant", "plan", AUTH0_CA_FILE=os.path.relpath(authority, ROOT)).returncode == 0
    assert f"AUTH0_CA_FILE={authority}" in docker.container_environment()


def test_a_missing_ca_file_is_a_one_line_error(docker: Docker) -> None:
    refused = docker("client", "tenant", "plan", AUTH0_CA_FILE="/nowhere/ca.pem")
    assert refused.returncode == 1
    assert refused.stderr.endswith(
        "AUTH0_CA_FILE is '/nowhere/ca.pem': there is no such file. A file with certificates in PEM is valid.\n"
    )
    assert docker.commands(" run ") == []


def test_an_upstream_on_localhost_is_a_one_line_error(docker: Docker) -> None:
    done = docker("client", "whoami", UPSTREAM_URL="http://127.0.0.1:8000/mcp")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()[-1:]
    assert line.startswith("UPSTREAM_URL is http://127.0.0.1:8000/mcp: in a container that is the container itself.")
    assert "host.docker.internal" in line


def test_the_ca_file_has_the_same_path_in_the_containers() -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]
    for name in ("server", "client"):
        assert services[name]["environment"]["AUTH0_CA_FILE"] == "${AUTH0_CA_FILE:-}"
        mounted = services[name]["volumes"][0]
        assert (mounted["source"], mounted["target"]) == (
            "${AUTH0_CA_FILE:-/dev/null}",
            "${AUTH0_CA_FILE:-/run/no-authority}",
        )


def test_the_agents_container_gets_every_variable_that_the_agent_reads() -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    passed = dict(compose["services"]["client"]["environment"])
    for name in (*_PROXIES, "OTEL_EXPORTER_OTLP_ENDPOINT"):  # read by packages; tests/runtime/test_compose_file.py
        del passed[name]
    read = {name.upper() for name in TenantSettings.model_fields}
    assert read - set(passed) == _NOT_IN_A_CONTAINER
    assert set(passed) - read == set()
    others = {name for name, value in passed.items() if not value.startswith(f"${{{name}:-")}
    assert others == {"OAUTH_CALLBACK_HOST"}, "it must listen on all interfaces"


def test_a_profile_left_beside_a_real_tenant_does_not_start_the_offline_one(docker: Docker) -> None:
    real = {"AUTH0_DOMAIN": "dev-1.us.auth0.com", "AUTH0_ISSUER": "", "COMPOSE_PROFILES": "mock,other"}
    assert docker("client", "whoami", **real).returncode == 0
    assert "COMPOSE_PROFILES=other" in docker.container_environment()
    offline = {"AUTH0_DOMAIN": "", "AUTH0_ISSUER": "", "COMPOSE_PROFILES": ""}
    assert docker("client", "whoami", **offline).returncode == 0
    assert "COMPOSE_PROFILES=mock" in docker.container_environment()
