"""The tenant's image by itself, started as mock-idp/RECIPES.md says. `make e2e` in Docker builds it and runs this."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from tests.support.free_ports import free_port

SECONDS = 60
# The names that the recipes have for the image.
IMAGE_NAMES = {"mock-idp", "ghcr.io/your-organization/mock-idp"}


def docker(*arguments: str) -> str:
    """The output of a docker command; AssertionError with its message if it fails."""
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, f"docker {' '.join(arguments)}: {done.stderr}"
    return done.stdout.strip()


class Container:
    """A running container. `ports` has the port of this machine by that of the recipe."""

    def __init__(self, name: str, ports: dict[str, int]) -> None:
        self.name = name
        self.ports = ports

    def wait_until_healthy(self) -> None:
        """AssertionError with the container's log if it does not become healthy."""
        deadline = time.monotonic() + SECONDS
        state: dict[str, Any] = {}
        while state.get("Health", {}).get("Status") != "healthy":
            assert time.monotonic() < deadline, f"{state}: {self.logs()}"
            state = json.loads(docker("inspect", "-f", "{{json .State}}", self.name))
            assert state["Status"] == "running", f"{state}: {self.logs()}"
            time.sleep(0.1)

    def logs(self) -> str:
        done = subprocess.run(["docker", "logs", self.name], capture_output=True, text=True, check=False)
        return done.stdout + done.stderr


Run = Callable[..., Container]


@pytest.fixture(scope="session")
def image() -> str:
    name = os.environ.get("MOCK_IDP_IMAGE")
    if not name:
        pytest.fail("these tests need the tenant's image: make e2e RUNTIME=docker", pytrace=False)
    return name


@pytest.fixture
def run(image: str) -> Iterator[Run]:
    """Run a `docker run` command of a recipe in the background, with our image and on free ports of this machine.

    A published port that is also in an issuer of the command is replaced there, too.
    """
    started: list[str] = []

    def run(command: str) -> Container:
        name = f"gatehouse-image-{uuid.uuid4().hex[:8]}"
        ports: dict[str, int] = {}

        def published(found: re.Match[str]) -> str:
            ports[found[1]] = free_port()
            return f"-p 127.0.0.1:{ports[found[1]]}:{found[2]}"

        text = re.sub(r"-p (?:127\.0\.0\.1:)?(\d+):(\d+)", published, command)
        for before, after in ports.items():
            text = text.replace(f"localhost:{before}/", f"localhost:{after}/")
        text = re.sub(r" --rm\b| --name \S+", "", text)
        words = [image if word in IMAGE_NAMES else word for word in shlex.split(text)]
        assert words[:2] == ["docker", "run"], command
        assert image in words, command
        started.append(name)
        docker("run", "--detach", "--name", name, *words[2:])
        return Container(name, ports)

    yield run
    for name in started:
        with suppress(AssertionError):
            docker("rm", "--force", "--volumes", name)
