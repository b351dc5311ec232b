"""README.md and README.ja.md, followed word for word on a newcomer's machine: the main job runs, and the tests pass.

With FIRST_RUN=full this is the whole `make test` and `make e2e`, which takes some minutes. Without it: some tests.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.worlds.conftest import ROOT, RUNTIME
from tests.worlds.newcomer import Machine, machine

BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
FULL = os.environ.get("FIRST_RUN") == "full"
MAIN_JOB = {
    "make demo": "The end",
    'make up && make ask Q="What time is it now?"': "UTC",
}
"""What a newcomer runs first, with what each must show."""
TESTS = ("make test", "make e2e")
"""The tests that need no more than Python."""
ELSEWHERE = {
    "claude": "tests/interop",
    "codex": "tests/interop",
    "AUTH0_": "tests/worlds/test_swap.py",
    "make client": "tests/worlds/test_swap.py",
    "make down && make up && make doctor": "tests/worlds/test_swap.py",
    "make browser": "needs Chromium",
    "make worlds": "runs this test",
    "make soak": "needs its own Docker stacks",
    "make conformance": "needs npm",
    "make interop": "needs npm",
    "make providers": "needs npm",
    "make bench": "measures",
    "make check": "runs in CI",
}
"""What another test carries out, or what needs more than a newcomer has."""

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
    examined = newcomer.run("make doctor")
    assert examined.returncode == 0, examined.stdout
    assert "✗" not in examined.stdout
    assert "✓ accepted" in examined.stdout
    stopped = newcomer.run("make down")
    assert f"Stopped ({runtime})." in stopped.stdout


def tested(newcomer: Machine, readme: str) -> None:
    """Run the tests that the README names first; without FIRST_RUN=full some of them."""
    for line in TESTS if FULL else ["make test T='tests/server/auth tests/client/cli/test_process.py'"]:
        assert line.partition(" T=")[0] in commands(readme)
        done = newcomer.run(line)
        assert done.returncode == 0, f"{line}\n{done.stdout[-4000:]}"
        assert re.search(r"\d+ passed", done.stdout)


@pytest.mark.parametrize("readme", ["README.md", "README.ja.md"])
def test_every_command_of_the_readme_is_carried_out_by_a_test(readme: str) -> None:
    known = (*MAIN_JOB, *TESTS, *ELSEWHERE)
    assert [line for line in commands(readme) if not line.startswith(known)] == []


def test_a_newcomer_with_only_python_make_and_git(newcomer: Machine) -> None:
    followed(newcomer, "README.ja.md", "local")
    tested(newcomer, "README.ja.md")


def test_a_newcomer_with_docker(newcomer_with_docker: Machine) -> None:
    followed(newcomer_with_docker, "README.md", "docker")
    if FULL:
        tested(newcomer_with_docker, "README.md")
