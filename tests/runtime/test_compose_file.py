"""The Compose file gives proxies and package indexes to image builds, and proxies to server and agent."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
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
    (declared,) = re.findall(r"^ARG (.*)$", dockerfile.read_text(encoding="utf-8"), re.MULTILINE)
    assert build["args"] == [*PROXIES, *map(str.lower, PROXIES), *declared.split()]
    assert {"PIP_INDEX_URL", "UV_DEFAULT_INDEX"} <= set(declared.split())


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
