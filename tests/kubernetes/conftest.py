"""The overlays of deploy/kubernetes as kustomize renders them. `make check` runs these tests."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.processes import ROOT

OVERLAYS = ("demo", "e2e", "production")
VERSIONS = ("1.35.0", "1.36.0", "1.37.0")
NAME = "app.kubernetes.io/name"
Object = dict[str, Any]


@dataclass(frozen=True)
class Overlay:
    """A rendered overlay: its objects, and the file with them."""

    name: str
    file: Path
    objects: list[Object]

    def of_kind(self, kind: str) -> list[Object]:
        """All objects of that kind."""
        return [each for each in self.objects if each["kind"] == kind]

    def one(self, kind: str, name: str) -> Object:
        """The object with that name. A hash at the end of the name does not count."""
        (found,) = (
            each
            for each in self.of_kind(kind)
            if each["metadata"]["name"] == name or each["metadata"]["name"].rpartition("-")[0] == name
        )
        return found

    def templates(self) -> dict[str, Object]:
        """The pod templates by the names of their owners."""
        owners = [*self.of_kind("Deployment"), *self.of_kind("Job")]
        return {each["metadata"]["name"]: each["spec"]["template"] for each in owners}

    def variables(self, container: Object) -> dict[str, str]:
        """The container's variables, those of its ConfigMaps included."""
        found: dict[str, str] = {}
        for source in container.get("envFrom", []):
            found |= self.one("ConfigMap", source["configMapRef"]["name"].rpartition("-")[0])["data"]
        return found | {each["name"]: each["value"] for each in container.get("env", [])}


def containers(template: Mapping[str, Any]) -> list[Object]:
    """All containers of a pod template."""
    spec = template["spec"]
    return [*spec.get("initContainers", []), *spec["containers"]]


@pytest.fixture(scope="session")
def tools() -> Path:
    """The folder with kubectl and kubernetes-validate. `make check` names it."""
    if "KUBERNETES_TOOLS" not in os.environ:
        pytest.skip("make check installs kubectl and kubernetes-validate, and names their folder in KUBERNETES_TOOLS")
    return Path(os.environ["KUBERNETES_TOOLS"])


@pytest.fixture(scope="session")
def overlays(tools: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Overlay]:
    """All overlays by name."""
    folder, rendered = tmp_path_factory.mktemp("rendered"), {}
    for name in OVERLAYS:
        command = [tools / "kubectl", "kustomize", ROOT / "deploy" / "kubernetes" / "overlays" / name]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert not done.stderr, "kustomize warns, for example of a field that will be removed"
        file = folder / f"{name}.yaml"
        file.write_text(done.stdout, encoding="utf-8")
        rendered[name] = Overlay(name, file, list(yaml.safe_load_all(done.stdout)))
    return rendered


@pytest.fixture(params=OVERLAYS)
def overlay(request: pytest.FixtureRequest, overlays: dict[str, Overlay]) -> Overlay:
    """Each overlay."""
    return overlays[request.param]
