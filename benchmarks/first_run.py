"""A newcomer's first run: the time from the clone to the first answer, the bytes received, and the disk used.

`make bench DO=first-run` (needs Docker) runs the README's first commands on a new machine, which is a container, and
prints the table of README.md: once without Docker, and once with it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.support.newcomer import Machine, machine

FIRST, NEXT = "make demo", 'make up && make ask Q="What time is it now?"'
BASE = "python:3.13-slim"
PROJECT = "gatehouse-first-run"


def main() -> int:
    """Print the table."""
    columns = [without_docker(), with_docker()]
    print("| | without Docker | with Docker |\n|---|---|---|")
    for name in columns[0]:
        print(f"| {name} | {' | '.join(column[name] for column in columns)} |")
    return 0


def without_docker() -> dict[str, str]:
    """A row's name and its value, in the local runtime."""
    with machine(Path("/root/gatehouse"), has_docker=False) as newcomer:
        clone = newcomer.size(".")
        figures = {**_times(newcomer), "received over the network": _megabytes(newcomer.bytes_received())}
        return {**figures, "disk: the clone": _megabytes(clone), "disk: `.venv`, or images": _venv(newcomer)}


def with_docker() -> dict[str, str]:
    """The same in the docker runtime. Layers and packages that the engine already has are used again."""
    with tempfile.TemporaryDirectory() as folder, machine(Path(folder) / "gatehouse", has_docker=True) as newcomer:
        newcomer.variables |= {"PORTS": "auto", "COMPOSE_PROJECT_NAME": PROJECT}
        clone = newcomer.size(".")
        try:
            figures = {**_times(newcomer), "received over the network": "the same, and the base images"}
            return {**figures, "disk: the clone": _megabytes(clone), "disk: `.venv`, or images": _images()}
        finally:
            newcomer.run("make clean")


def _times(newcomer: Machine) -> dict[str, str]:
    return {
        "clone to first answer (`make demo`)": f"{newcomer.clone_seconds + _seconds(newcomer, FIRST):.0f} s",
        "afterwards: `make up`, sign-in and answer": f"{_seconds(newcomer, NEXT):.0f} s",
    }


def _seconds(newcomer: Machine, line: str) -> float:
    began = time.monotonic()
    done = newcomer.run(line)
    if done.returncode != 0:
        raise SystemExit(f"{line} failed:\n{done.stdout}")
    return time.monotonic() - began


def _venv(newcomer: Machine) -> str:
    return _megabytes(newcomer.size(".venv"))


def _images() -> str:
    """What the images take beyond their base image."""
    names = [f"{PROJECT}-{name}" for name in ("server", "client", "mock-idp")]
    command = ["docker", "image", "inspect", *names, BASE]
    listed = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    *sizes, base = [int(image["Size"]) for image in listed]
    each = ", ".join(
        f"{name.removeprefix(f'{PROJECT}-')} {_megabytes(size - base)}" for name, size in zip(names, sizes, strict=True)
    )
    return f"{_megabytes(sum(sizes) - base * len(sizes))} ({each}), and the base images"


def _megabytes(count: int) -> str:
    return f"{count / 1e6:.0f} MB"


if __name__ == "__main__":
    sys.exit(main())
