"""What running containers may do: as Docker says, and as the kernel says, whatever the configuration is."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass
from typing import Any

CAPABILITIES = {"gateway": ["CAP_NET_BIND_SERVICE"]}
NET_BIND_SERVICE = 1 << 10  # capabilities(7)


@dataclass(frozen=True)
class Container:
    """A running container."""

    id: str
    service: str
    facts: dict[str, Any]

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command in it."""
        return subprocess.run(["docker", "exec", self.id, *command], capture_output=True, text=True, check=False)


def of_project(project: str) -> list[Container]:
    """The running containers of a Compose project."""
    listed = ["docker", "ps", "--quiet", "--filter", f"label=com.docker.compose.project={project}"]
    ids = subprocess.run(listed, capture_output=True, text=True, check=True).stdout.split()
    inspected = subprocess.run(["docker", "inspect", *ids], capture_output=True, text=True, check=True).stdout
    return [
        Container(facts["Id"], facts["Config"]["Labels"]["com.docker.compose.service"], facts)
        for facts in json.loads(inspected)
    ]


def is_confined(container: Container) -> None:
    """Docker started it without a right that it does not need."""
    host = container.facts["HostConfig"]
    assert host["ReadonlyRootfs"] is True
    assert host["Privileged"] is False
    assert host["CapDrop"] == ["ALL"]
    added = [f"CAP_{name.removeprefix('CAP_')}" for name in host["CapAdd"] or []]
    assert added == CAPABILITIES.get(container.service, [])
    assert "no-new-privileges:true" in host["SecurityOpt"]
    assert "host" not in (host["NetworkMode"], host["PidMode"], host["IpcMode"], host["UsernsMode"])
    assert not host["Devices"]
    assert not [mount for mount in container.facts["Mounts"] if "docker.sock" in mount["Source"]]


def has_processes_without_rights(container: Container, root: bool = False) -> None:
    """No process is root or can become it, or has a capability.

    Args:
        root: whether its user is root, without the rights of root.
    """
    shown = container.run("sh", "-c", "cat /proc/[0-9]*/status").stdout
    processes = [dict(re.findall(r"^(\w+):\t(.*)$", text, re.M)) for text in shown.split("Name:\t")[1:]]
    assert processes
    allowed = NET_BIND_SERVICE if container.service == "gateway" else 0
    for process in processes:
        assert root or "0" not in process["Uid"].split(), process
        assert process["NoNewPrivs"] == "1"
        assert process["Seccomp"] == "2"
        for name in ("CapEff", "CapPrm", "CapBnd"):
            assert int(process[name], 16) & ~allowed == 0, (name, process[name])


def cannot_change_its_files(container: Container) -> None:
    """The file system of the image is read-only."""
    for place in ("/written", "/usr/bin/written", "/etc/written"):
        assert container.run("touch", place).returncode != 0, place


def listening(container: Container) -> set[int]:
    """The ports that can be reached from outside.

    Those in 127.0.0.0/8 cannot: the gateway's health check, and Docker's resolver.
    """
    lines = container.run("sh", "-c", "cat /proc/net/tcp /proc/net/tcp6").stdout.splitlines()
    addresses = [line.split()[1] for line in lines if line.split()[3] == "0A"]
    return {int(local[-4:], 16) for local in addresses if local[6:8] != "7F"}
