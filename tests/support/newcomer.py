"""A newcomer's machine: a new container with Python, make and git, and a fresh clone. It can also have Docker.

With Docker the container has this machine's engine and network. The clone and the folder of temporary files have the
same path in both, because the engine mounts folders of this machine.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOCKET = Path("/var/run/docker.sock")
SCRIPTED_BROWSER = "tests/support/scripted_browser.py"
SECONDS = 1800
BASE = "python:3.13-slim"
_IMAGE = """\
FROM {base}
RUN apt-get -qq update && apt-get -qq install -y --no-install-recommends {packages} && rm -rf /var/lib/apt/lists/*
"""
_TOOLS = ("make", "git")
_DOCKER = ("docker-cli", "docker-compose", "docker-buildx")
_INDEXES = ("PIP_", "UV_")
_LINK = re.compile(r"https?://\S+/authorize\?\S+")
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")
_NETWORK = ("SSL_CERT_FILE", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@dataclass
class Machine:
    """The running container.

    Attributes:
        container: its name.
        folder: the clone.
        has_docker: whether it can use this machine's Docker.
        variables: of the person's shell.
        clone_seconds: how long the clone took, in seconds.
    """

    container: str
    folder: Path
    has_docker: bool
    variables: dict[str, str] = field(default_factory=dict)
    clone_seconds: float = 0.0

    def run(self, line: str, seconds: float = SECONDS) -> subprocess.CompletedProcess[str]:
        """Run a line on a terminal in the clone's folder, as a person types it. Whoever has to sign in is alice."""
        options = ["--tty", *_options("--env", self._variables())]
        command = ["docker", "exec", *options, self.container, "sh", "-c", line]
        lines = []
        with subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process:
            killer = threading.Timer(seconds, process.kill)
            killer.start()
            try:
                for text in process.stdout or ():
                    lines.append(_CONTROL.sub("", text))
                    link = _LINK.search(lines[-1])
                    if self.has_docker and link:
                        self._open(link[0])
            finally:
                killer.cancel()
        return subprocess.CompletedProcess(line, process.returncode, "".join(lines))

    def bytes_received(self) -> int:
        """What has come in on the default route, in bytes. With Docker that is this machine's."""
        interface = """$(awk '$2 == "00000000" {print $1; exit}' /proc/net/route)"""
        return int(self.run(f"cat /sys/class/net/{interface}/statistics/rx_bytes").stdout)

    def size(self, folder: str) -> int:
        """What a folder takes of the disk, in bytes."""
        return int(self.run(f"du -s --block-size=1 {folder}").stdout.split()[0])

    def _variables(self) -> dict[str, str]:
        if self.has_docker:
            return self.variables
        browser = f"{self.folder}/.venv/bin/python {self.folder}/{SCRIPTED_BROWSER} %s &"
        return {"BROWSER": browser, **self.variables}

    def _open(self, url: str) -> None:
        """Open a link that the agent shows, in a browser of this machine."""
        subprocess.run(
            [sys.executable, str(ROOT / SCRIPTED_BROWSER), url], capture_output=True, timeout=60, check=False
        )


@contextmanager
def machine(folder: Path, *, has_docker: bool) -> Iterator[Machine]:
    """Start the machine with a clone of this one's commit in `folder`.

    Args:
        folder: does not exist. With Docker it is also on this machine.
    """
    packages = (*_TOOLS, *_DOCKER) if has_docker else _TOOLS
    name = f"gatehouse-newcomer-{uuid.uuid4().hex[:8]}"
    image = f"gatehouse-newcomer:{'docker' if has_docker else 'plain'}"
    recipe = _IMAGE.format(base=BASE, packages=" ".join(packages))
    subprocess.run(
        ["docker", "build", "--quiet", "--tag", image, "-"],
        input=recipe.encode(),
        check=True,
        stdout=subprocess.DEVNULL,
    )
    options = ["--rm", "--init", "--detach", "--name", name, "--workdir", str(folder), *_registries()]
    options += [f"--volume={ROOT / '.git'}:/origin/.git:ro"]
    with tempfile.TemporaryDirectory(prefix="newcomer-") as temporary:
        if has_docker:
            folder.mkdir(parents=True)
            options += ["--network=host", f"--user={os.getuid()}:{os.getgid()}", f"--group-add={SOCKET.stat().st_gid}"]
            options += [f"--volume={path}:{path}" for path in (SOCKET, folder, temporary)]
            options += ["--env=HOME=/tmp", f"--env=TMPDIR={temporary}", f"--env=DOCKER_HOST=unix://{SOCKET}"]
        subprocess.run(["docker", "run", *options, image, "sleep", "infinity"], check=True, stdout=subprocess.DEVNULL)
        made = Machine(name, folder, has_docker)
        try:
            # With this file, programs would take the machine for a container, and localhost for another one.
            subprocess.run(["docker", "exec", "--user=0", name, "rm", "-f", "/.dockerenv"], check=True)
            began = time.monotonic()
            cloned = made.run("git config --global safe.directory '*' && git clone --quiet --no-local /origin .")
            assert cloned.returncode == 0, cloned.stdout
            made.clone_seconds = time.monotonic() - began
            yield made
        finally:
            subprocess.run(["docker", "rm", "--force", name], check=True, stdout=subprocess.DEVNULL)


def image_size(name: str) -> int:
    """The size of an image, in bytes."""
    command = ["docker", "image", "inspect", "--format", "{{.Size}}", name]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def _registries() -> list[str]:
    """This machine's package indexes, proxies and authorities, as options of `docker run`: what pip and uv read."""
    given = {
        name: value
        for name, value in os.environ.items()
        if value and (name.startswith(_INDEXES) or name.upper() in _NETWORK)
    }
    files = {value for value in given.values() if value.startswith("/") and Path(value).is_file()}
    if Path("/etc/pip.conf").is_file():
        files.add("/etc/pip.conf")
    passed = {name: value for name, value in given.items() if not value.startswith("/") or value in files}
    return _options("--env", passed) + [f"--volume={file}:{file}:ro" for file in sorted(files)]


def _options(option: str, values: dict[str, str]) -> list[str]:
    return [f"{option}={name}={value}" for name, value in values.items()]
