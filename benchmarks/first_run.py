"""A newcomer's first run: the time from the clone to the first answer, the bytes received, and the disk used.

`make bench DO=first-run` (needs Docker) runs the README's first commands on a new machine, which is a container, and
prints the table of README.md: once without Docker, and once with it.

With Docker the engine uses its layers and the packages that it has downloaded before. The download, which is what this
machine receives meanwhile, can be measured only with an empty build cache:
`make bench DO="first-run --empty-build-cache"` empties it first, for other projects too.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.support.newcomer import BASE, Machine, image_size, machine

FIRST, NEXT = "make demo", 'make up && make ask Q="What time is it now?"'
IMAGES = ("server", "client", "mock-idp")
PROJECT = "gatehouse-first-run"


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="make bench DO=first-run", description=__doc__)
    parser.add_argument("--empty-build-cache", action="store_true", help="remove the engine's build cache first")
    columns = [without_docker(), with_docker(empty_cache=parser.parse_args().empty_build_cache)]
    print("| | without Docker | with Docker |\n|---|---|---|")
    for name in columns[0]:
        print(f"| {name} | {' | '.join(column[name] for column in columns)} |")
    return 0


def without_docker() -> dict[str, str]:
    """A row's name and its value, in the local runtime."""
    with machine(Path("/root/gatehouse"), has_docker=False) as newcomer:
        clone = _megabytes(newcomer.size("."))
        times = _times(newcomer)
        download = _megabytes(newcomer.bytes_received())
        return {**times, "download": download, "disk": f"clone {clone}, `.venv` {_megabytes(newcomer.size('.venv'))}"}


def with_docker(*, empty_cache: bool) -> dict[str, str]:
    """The same in the docker runtime.

    Args:
        empty_cache: whether to remove the engine's build cache first.
    """
    with tempfile.TemporaryDirectory() as folder, machine(Path(folder) / "gatehouse", has_docker=True) as newcomer:
        newcomer.variables |= {"PORTS": "auto", "COMPOSE_PROJECT_NAME": PROJECT}
        clone = _megabytes(newcomer.size("."))
        if empty_cache:
            subprocess.run(["docker", "builder", "prune", "--all", "--force"], check=True, stdout=subprocess.DEVNULL)
        before = newcomer.bytes_received()
        try:
            times = _times(newcomer)
            download = _megabytes(newcomer.bytes_received() - before) if empty_cache else "not measured"
            return {**times, "download": download, "disk": f"clone {clone}, {images(PROJECT)}"}
        finally:
            newcomer.run("make clean")


def images(project: str) -> str:
    """What the project's images take beyond their base image."""
    sizes = [image_size(f"{project}-{name}") - image_size(BASE) for name in IMAGES]
    each = ", ".join(f"{name} {_megabytes(size)}" for name, size in zip(IMAGES, sizes, strict=True))
    return f"images {_megabytes(sum(sizes))} ({each})"


def _times(newcomer: Machine) -> dict[str, str]:
    return {
        f"clone to first answer (`{FIRST}`)": f"{newcomer.clone_seconds + _seconds(newcomer, FIRST):.0f} s",
        "then `make up`, sign-in and answer": f"{_seconds(newcomer, NEXT):.0f} s",
    }


def _seconds(newcomer: Machine, line: str) -> float:
    began = time.monotonic()
    done = newcomer.run(line)
    if done.returncode != 0:
        raise SystemExit(f"{line} failed:\n{done.stdout}")
    return time.monotonic() - began


def _megabytes(count: int) -> str:
    return f"{count / 1e6:.0f} MB"


if __name__ == "__main__":
    sys.exit(main())
