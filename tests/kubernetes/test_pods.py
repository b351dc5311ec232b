"""The pods of the overlay e2e run in Podman: the Job's suite passes against three replicas behind the gateway."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.kubernetes.conftest import Overlay
from tests.kubernetes.podman import Podman

SECONDS = 400


def test_the_suite_of_the_job_passes_against_the_pods(overlays: dict[str, Overlay], tmp_path: Path) -> None:
    images = os.environ.get("KUBERNETES_IMAGES")
    if images is None or shutil.which("podman") is None or os.geteuid() != 0:
        pytest.skip("make check DO=kubernetes runs it; it needs Docker, Podman and root")
    podman = Podman(overlays["e2e"], tmp_path, images)
    with podman.playing():
        code, log = podman.ended("e2e", "e2e", SECONDS)
        assert code == 0, log
        for pod, container in (("server-1", "server"), ("mock-idp", "mock-idp"), ("gateway", "gateway")):
            assert podman.inside(pod, container, "id", "-u").stdout.strip() == "10001"
            assert podman.inside(pod, container, "touch", "/file").returncode != 0, "the root is read-only"
