"""The pods of an overlay in Podman, which reads Kubernetes objects (`podman kube play`) but is no cluster.

What Podman (4.3) lacks is replaced here: services by entries in /etc/hosts, the Deployment's replicas by as many pods,
the Job by a pod. Probes, ports (it would publish them on this machine), spreading and preStop are left out. A Secret
becomes a ConfigMap, because Podman writes its values without decoding them.
"""

from __future__ import annotations

import base64
import copy
import ipaddress
import json
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.kubernetes.conftest import Object, Overlay

PREFIX = "gatehouse-kubernetes"
_LEFT_OUT = ("livenessProbe", "readinessProbe", "startupProbe", "lifecycle", "restartPolicy", "ports")
# Podman's own limits are higher than those of many machines, which refuses to start a container.
_CONFIGURATION = '[containers]\ndefault_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]\n'


@dataclass
class Podman:
    """Pods of an overlay, in a network of their own.

    Args:
        folder: for the files that Podman reads.
        images: the prefix of the images' names in Docker.
    """

    overlay: Overlay
    folder: Path
    images: str

    def run(self, *arguments: str, check: bool = True, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run podman."""
        environment = {"CONTAINERS_CONF": str(self.folder / "containers.conf"), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
        done = subprocess.run(["podman", *arguments], env=environment, capture_output=True, text=True, **options)
        assert done.returncode == 0 or not check, f"podman {' '.join(arguments)}: {done.stdout}{done.stderr}"
        return done

    @contextmanager
    def playing(self) -> Iterator[None]:
        """Play the pods, and remove everything at the end."""
        (self.folder / "containers.conf").write_text(_CONFIGURATION, encoding="utf-8")
        self._load_images()
        self.run("network", "create", PREFIX)
        try:
            (network,) = json.loads(self.run("network", "inspect", PREFIX).stdout)
            addresses = ipaddress.ip_network(network["subnets"][0]["subnet"]).hosts()
            pods = list(self._pods([str(next(addresses)) for _ in range(40)][20:]))
            for pod, address in pods:
                file = self.folder / f"{pod['metadata']['name']}.yaml"
                file.write_text(yaml.safe_dump_all([*self._configuration(), pod]), encoding="utf-8")
                self.run("kube", "play", "--network", PREFIX, "--ip", address, str(file))
            yield
        finally:
            for pod in self.run("pod", "ls", "--noheading", "--format", "{{.Name}}").stdout.split():
                if pod.startswith(PREFIX):
                    self.run("pod", "rm", "--force", "--time", "2", pod, check=False)
            for volume in self.run("volume", "ls", "--quiet").stdout.split():
                if volume.startswith(PREFIX):
                    self.run("volume", "rm", volume, check=False)
            self.run("network", "rm", "--force", PREFIX, check=False)

    def ended(self, pod: str, container: str, seconds: float) -> tuple[int, str]:
        """The exit code of the container, and its log, after it has ended."""
        name = f"{PREFIX}-{pod}-{container}"
        code = self.run("wait", name, timeout=seconds).stdout
        log = self.run("logs", name)
        return int(code), log.stdout + log.stderr

    def inside(self, pod: str, container: str, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the container."""
        return self.run("exec", f"{PREFIX}-{pod}-{container}", *command, check=False)

    def _load_images(self) -> None:
        names = {"gatehouse-server": "server", "gatehouse-mock-idp": "mock-idp", "gatehouse-e2e": "e2e"}
        docker = [f"{self.images}-{service}" for service in names.values()]
        with subprocess.Popen(["docker", "save", "caddy:2", *docker], stdout=subprocess.PIPE) as saving:
            self.run("load", "--quiet", stdin=saving.stdout)
        assert saving.returncode == 0
        for name, service in names.items():
            self.run("tag", f"localhost/{self.images}-{service}", f"{name}:latest")

    def _configuration(self) -> list[Object]:
        """All ConfigMaps, with the Secrets as ConfigMaps."""
        found = [*copy.deepcopy(self.overlay.of_kind("ConfigMap"))]
        for secret in self.overlay.of_kind("Secret"):
            data = {key: base64.b64decode(value).decode() for key, value in secret["data"].items()}
            found.append({"apiVersion": "v1", "kind": "ConfigMap", "metadata": dict(secret["metadata"]), "data": data})
        for each in found:
            each["metadata"] = {"name": f"{PREFIX}-{each['metadata']['name']}"}
        return found

    def _pods(self, addresses: list[str]) -> Iterator[tuple[Object, str]]:
        """The pods and their addresses, in the order in which they start."""
        names = []
        for name in self.overlay.templates():
            count = self.overlay.one("HorizontalPodAutoscaler", name)["spec"]["minReplicas"] if name == "server" else 1
            names += [(name, f"{name}-{number}" if count > 1 else name) for number in range(1, count + 1)]
        placed = dict(zip(names, addresses, strict=False))
        hosts = [{"ip": address, "hostnames": [service]} for (service, _), address in placed.items()]
        for (service, name), address in placed.items():
            yield _pod(name, self.overlay.templates()[service], hosts), address


def _pod(name: str, template: Mapping[str, Any], hosts: list[Object]) -> Object:
    spec = copy.deepcopy(template["spec"])
    for unknown in ("topologySpreadConstraints", "serviceAccountName"):
        spec.pop(unknown, None)
    # A sidecar, which Podman does not know, is a container beside the other.
    spec["containers"] = [*spec.pop("initContainers", []), *spec["containers"]]
    # Volumes with the same name would be one volume for all pods.
    renamed = {each["name"]: f"{PREFIX}-{name}-{each['name']}" for each in spec["volumes"]}
    for container in spec["containers"]:
        for key in _LEFT_OUT:
            container.pop(key, None)
        for source in container.get("envFrom", []):
            source["configMapRef"]["name"] = f"{PREFIX}-{source['configMapRef']['name']}"
        for mount in container["volumeMounts"]:
            mount["name"] = renamed[mount["name"]]
    for volume in spec["volumes"]:
        volume["name"] = renamed[volume["name"]]
        if "secret" in volume:
            volume["configMap"] = {"name": volume.pop("secret")["secretName"]}
        if "configMap" in volume:
            volume["configMap"]["name"] = f"{PREFIX}-{volume['configMap']['name']}"
    spec["hostAliases"] = hosts
    spec.setdefault("restartPolicy", "Always")
    metadata = {"name": f"{PREFIX}-{name}", "labels": template["metadata"]["labels"]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
