"""The Compose file gives proxies and package indexes to image builds, and proxies to server and agent."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

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
