"""What the Compose files give to image builds, servers and agent, and what production bounds."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from gatehouse_example.settings import ExampleSettings
from gatehouse_server.serving.upstream_settings import UpstreamSettings

ROOT = Path(__file__).resolve().parents[2]
SERVICES = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]
BUILT = [name for name, service in SERVICES.items() if "build" in service]
PROXIES = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"]


@pytest.mark.parametrize("name", BUILT)
def test_an_image_build_gets_proxies_and_indexes(name: str) -> None:
    build = SERVICES[name]["build"]
    dockerfile = ROOT / build["context"] / build.get("dockerfile", "Dockerfile")
    declared, *_ = re.findall(r"^ARG (.*)$", dockerfile.read_text(encoding="utf-8"), re.MULTILINE)
    extras = ["SERVER_EXTRAS", "CLIENT_EXTRAS"]
    assert build["args"] == [*PROXIES, *map(str.lower, PROXIES), *declared.split(), *extras]
    assert {"PIP_INDEX_URL", "UV_DEFAULT_INDEX"} <= set(declared.split())


@pytest.mark.parametrize("name", ["server", "client"])
def test_an_image_built_by_hand_has_every_optional_package(name: str) -> None:
    text = (ROOT / name / "Dockerfile").read_text(encoding="utf-8")
    (default,) = re.findall(rf'^ARG {name.upper()}_EXTRAS="(.*)"$', text, re.MULTILINE)
    project = tomllib.loads((ROOT / name / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert set(default.split()) == set(project["optional-dependencies"]) - {"keyring"}, "a container has no keyring"


@pytest.mark.parametrize("name", BUILT)
def test_an_image_build_gets_the_authorities_of_this_machine(name: str) -> None:
    added = yaml.safe_load((ROOT / "gateway" / "build-authorities.yml").read_text(encoding="utf-8"))
    assert added["services"][name]["build"]["secrets"] == ["authorities"]


@pytest.mark.parametrize("name", ["server", "client"])
def test_server_and_agent_get_the_proxies_and_reach_each_other_directly(name: str) -> None:
    environment = SERVICES[name]["environment"]
    assert set(PROXIES) <= set(environment)
    for variable in ("NO_PROXY", "no_proxy"):
        assert environment[variable].endswith(",mock-idp,server,gateway")


@pytest.mark.parametrize("name", ["gateway", "server", "client"])
def test_every_part_of_a_trace_knows_where_it_is_sent(name: str) -> None:
    assert SERVICES[name]["environment"]["OTEL_EXPORTER_OTLP_ENDPOINT"] == "${OTEL_EXPORTER_OTLP_ENDPOINT:-}"


@pytest.mark.parametrize("kind", [ExampleSettings, UpstreamSettings])
def test_the_server_gets_every_variable_of_its_settings(kind: type[BaseSettings]) -> None:
    variables = {str(field.validation_alias) for field in kind.model_fields.values()}
    assert variables - set(SERVICES["server"]["environment"]) - ELSEWHERE == set()


ELSEWHERE = {
    "OIDC_CA_FILE",  # `make` passes it as AUTH0_CA_FILE
    "MCP_TLS_CERT_FILE",  # the gateway's connections end there
    "MCP_TLS_KEY_FILE",
    "CALENDAR_URL",  # the calendar is in the same process
    "CALENDAR_AUDIENCE",
    "REQUEST_STATE_SECRET_FILE",  # secrets are passed by value
    "EXCHANGE_CLIENT_SECRET_FILE",
    "INTROSPECTION_CLIENT_SECRET_FILE",
}


PRODUCTION = yaml.safe_load((ROOT / "docker-compose.prod.yml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("services", [SERVICES, PRODUCTION["services"]], ids=["development", "production"])
def test_every_service_has_no_right_that_it_does_not_need(services: dict[str, dict[str, Any]]) -> None:
    """Also the agent's and the runner's, which are not there when the others are examined while they run."""
    for name, service in services.items():
        assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"]), name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service.get("cap_add", []) == (["NET_BIND_SERVICE"] if name.startswith("gateway") else []), name
        assert not {"privileged", "pid", "ipc", "userns_mode", "devices"} & set(service), name
        assert "docker.sock" not in str(service), name


def test_in_production_every_container_is_bounded_restarted_and_made_elsewhere() -> None:
    assert set(PRODUCTION["services"]) == {"gateway", "gateway-2", "server"}
    for service in PRODUCTION["services"].values():
        assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory", "pids"}
        assert service["restart"] == "unless-stopped"
        assert service["logging"]["options"] == {"max-size": "10m", "max-file": "5"}
        assert "build" not in service
        assert service["healthcheck"]["test"]
    assert PRODUCTION["services"]["server"]["environment"]["GATEHOUSE_ENV"] == "production"
    assert "ports" not in PRODUCTION["services"]["server"]


def test_in_production_the_server_gets_secrets_only_as_files() -> None:
    passed = set(PRODUCTION["services"]["server"]["environment"])
    secrets = {name for name, field in fields().items() if "SecretStr" in str(field.annotation)}
    assert secrets
    assert passed & secrets == set()
    assert {f"{name}_FILE" for name in secrets} <= passed
    for name in secrets:
        assert name.lower() in PRODUCTION["secrets"]


def test_in_production_the_server_gets_every_variable_that_it_reads() -> None:
    passed = set(PRODUCTION["services"]["server"]["environment"])
    secrets = {name for name, field in fields().items() if "SecretStr" in str(field.annotation)}
    # The gateway has the certificate, and the calendar is an example.
    others = {"OFFLINE_TENANT", "OIDC_CA_FILE", "MCP_TLS_CERT_FILE", "MCP_TLS_KEY_FILE"}
    assert set(fields()) - passed == secrets | others | {"CALENDAR_URL", "CALENDAR_AUDIENCE"}


def fields() -> dict[str, FieldInfo]:
    """The fields of the server's settings by their variables."""
    kinds = (ExampleSettings, UpstreamSettings)
    return {str(field.validation_alias): field for kind in kinds for field in kind.model_fields.values()}
