"""The running containers of the end-to-end stack have no right that they do not need.

`make e2e` sets E2E_PROJECT while the stack runs.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest

PROJECT = os.environ.get("E2E_PROJECT", "")
PORTS = {"gateway": {5555, 9000}, "server": {5555}, "mock-idp": {9000, 9443}}
"""The open ports of each service."""
CAPABILITIES = {"gateway": ["CAP_NET_BIND_SERVICE"]}
NET_BIND_SERVICE = 1 << 10  # capabilities(7)

pytestmark = pytest.mark.skipif(not PROJECT, reason="the stack does not run")


@dataclass(frozen=True)
class Container:
    """A running container."""

    id: str
    service: str
    facts: dict[str, Any]

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command in it."""
        return subprocess.run(["docker", "exec", self.id, *command], capture_output=True, text=True, check=False)


@cache
def containers() -> list[Container]:
    listed = ["docker", "ps", "--quiet", "--filter", f"label=com.docker.compose.project={PROJECT}"]
    ids = subprocess.run(listed, capture_output=True, text=True, check=True).stdout.split()
    inspected = subprocess.run(["docker", "inspect", *ids], capture_output=True, text=True, check=True).stdout
    return [
        Container(facts["Id"], facts["Config"]["Labels"]["com.docker.compose.service"], facts)
        for facts in json.loads(inspected)
    ]


def test_the_stack_runs_with_three_servers() -> None:
    assert sorted(each.service for each in containers()) == ["gateway", "mock-idp", "server", "server", "server"]


@pytest.mark.parametrize("service", PORTS)
def test_a_container_is_confined(service: str) -> None:
    for each in containers():
        if each.service == service:
            host = each.facts["HostConfig"]
            assert host["ReadonlyRootfs"] is True
            assert host["Privileged"] is False
            assert host["CapDrop"] == ["ALL"]
            assert [f"CAP_{name.removeprefix('CAP_')}" for name in host["CapAdd"] or []] == CAPABILITIES.get(
                service, []
            )
            assert "no-new-privileges:true" in host["SecurityOpt"]
            assert (host["NetworkMode"], host["PidMode"], host["UsernsMode"]) != ("host", "host", "host")
            assert not [mount for mount in each.facts["Mounts"] if "docker.sock" in mount["Source"]]


@pytest.mark.parametrize("service", PORTS)
def test_no_process_of_a_container_has_rights(service: str) -> None:
    """What the kernel says, whatever the configuration is."""
    for each in containers():
        if each.service == service:
            shown = each.run("sh", "-c", "cat /proc/[0-9]*/status").stdout
            processes = [dict(re.findall(r"^(\w+):\t(.*)$", text, re.M)) for text in shown.split("Name:\t")[1:]]
            assert processes
            for process in processes:
                assert "0" not in process["Uid"].split(), process
                assert process["NoNewPrivs"] == "1"
                assert process["Seccomp"] == "2"
                allowed = NET_BIND_SERVICE if service == "gateway" else 0
                for name in ("CapEff", "CapPrm", "CapBnd"):
                    assert int(process[name], 16) & ~allowed == 0, (name, process[name])


@pytest.mark.parametrize("service", PORTS)
def test_a_container_cannot_change_its_files(service: str) -> None:
    for each in containers():
        if each.service == service:
            for place in ("/written", "/usr/bin/written", "/etc/written"):
                assert each.run("touch", place).returncode != 0, place


@pytest.mark.parametrize("service", PORTS)
def test_a_container_listens_only_on_its_ports(service: str) -> None:
    for each in containers():
        if each.service == service:
            lines = each.run("sh", "-c", "cat /proc/net/tcp /proc/net/tcp6").stdout.splitlines()
            listening = [line.split()[1] for line in lines if line.split()[3] == "0A"]
            # Those in 127.0.0.0/8 cannot be reached from outside: the gateway's health check, and Docker's resolver.
            assert {int(local[-4:], 16) for local in listening if local[6:8] != "7F"} == PORTS[service]
