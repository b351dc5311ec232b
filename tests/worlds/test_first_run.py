"""README.md and README.ja.md, followed word for word on a newcomer's machine: the main job runs, and the tests pass.

With FIRST_RUN=full this is the whole `make test` and `make e2e`, which takes some minutes. Without it: some tests.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.newcomer import BASE, Machine, image_size, machine
from tests.worlds.conftest import ROOT, RUNTIME

BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
FULL = os.environ.get("FIRST_RUN") == "full"
MAIN_JOB = {
    "make demo": "The end",
    'make up && make ask Q="What time is it now?"': "UTC",
}
"""What a newcomer runs first, with what each must show."""
TESTS = ("make test", "make e2e")
"""The tests that need no more than Python."""

pytestmark = pytest.mark.docker


@pytest.fixture
def newcomer(tmp_path: Path) -> Iterator[Machine]:
    if RUNTIME != "docker":
        pytest.skip("the newcomer's machine is a container")
    with machine(Path("/root/gatehouse"), has_docker=False) as made:
        yield made


@pytest.fixture
def newcomer_with_docker(tmp_path: Path) -> Iterator[Machine]:
    if RUNTIME != "docker":
        pytest.skip("the newcomer's machine is a container")
    with machine(tmp_path / "gatehouse", has_docker=True) as made:
        # Other stacks may run on this machine.
        made.variables |= {"PORTS": "auto", "COMPOSE_PROJECT_NAME": f"gatehouse-newcomer-{os.getpid()}"}
        yield made
        cleaned = made.run("make clean")
        assert cleaned.returncode == 0, cleaned.stdout


def commands(readme: str) -> list[str]:
    """The command lines of the blocks, without the comments at their ends."""
    lines = "\n".join(BLOCK.findall((ROOT / readme).read_text(encoding="utf-8"))).splitlines()
    return [re.sub(r"\s+# .*$", "", line) for line in lines if line.strip()]


def followed(newcomer: Machine, readme: str, runtime: str) -> None:
    """Run the commands of the first steps. Each works, needs no answer, and says which runtime it uses."""
    for line, shown in MAIN_JOB.items():
        assert line in commands(readme)
        done = newcomer.run(line)
        assert done.returncode == 0, f"{line}\n{done.stdout}"
        assert f"Runtime: {runtime}" in done.stdout
        assert shown in done.stdout
        assert "warning" not in done.stdout.lower(), done.stdout


def examined_and_stopped(newcomer: Machine, runtime: str) -> None:
    """Nothing is wrong with the server or the tenant; then the stack is stopped."""
    examined = newcomer.run("make doctor")
    assert examined.returncode == 0, examined.stdout
    assert "✗" not in examined.stdout
    assert "✓ accepted" in examined.stdout
    stopped = newcomer.run("make down")
    assert f"Stopped ({runtime})." in stopped.stdout


def as_documented(readme: str, what: str, megabytes: float) -> None:
    """The size is about the one that the README states; small changes of packages are allowed."""
    stated = re.findall(rf"{what} (\d+) MB", (ROOT / readme).read_text(encoding="utf-8"))
    assert [each for each in stated if not 0.9 < megabytes / int(each) < 1.1] == [], f"{what}: {megabytes:.0f} MB"
    assert stated, what


def passes_its_tests(newcomer: Machine, readme: str) -> None:
    """Run the tests that the README names first; without FIRST_RUN=full some of them."""
    for line in TESTS if FULL else ["make test T='tests/server/auth tests/client/cli/test_process.py'"]:
        assert line.partition(" T=")[0] in commands(readme)
        done = newcomer.run(line)
        failed = re.findall(r"^(?:_+ .+ _+|E  .*)$", done.stdout, re.MULTILINE)
        assert done.returncode == 0, "\n".join([line, *failed, done.stdout[-1000:]])
        assert re.search(r"\d+ passed", done.stdout)


def test_a_newcomer_with_only_python_make_and_git(newcomer: Machine) -> None:
    followed(newcomer, "README.ja.md", "local")
    as_documented("README.ja.md", "`.venv`", newcomer.size(".venv") / 1e6)
    examined_and_stopped(newcomer, "local")
    passes_its_tests(newcomer, "README.ja.md")


def test_a_newcomer_with_docker(newcomer_with_docker: Machine) -> None:
    followed(newcomer_with_docker, "README.md", "docker")
    for name in ("server", "client", "mock-idp"):
        image = f"{newcomer_with_docker.variables['COMPOSE_PROJECT_NAME']}-{name}"
        as_documented("README.md", name, (image_size(image) - image_size(BASE)) / 1e6)
    examined_and_stopped(newcomer_with_docker, "docker")
    if FULL:
        passes_its_tests(newcomer_with_docker, "README.md")
