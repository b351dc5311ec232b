"""Worlds: a clone of the project in its own folder, with its own `.env`, in the runtime of WORLDS_RUNTIME."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support.processes import SETTING_PREFIXES

ROOT = Path(__file__).resolve().parents[2]
RUNTIME = os.environ.get("WORLDS_RUNTIME", "local")
SECONDS = 300


@dataclass
class World:
    """A clone with its `.env`."""

    folder: Path
    variables: dict[str, str] = field(default_factory=dict)

    def stack(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run `scripts/stack`, as `make` does."""
        return self._run([sys.executable, "scripts/stack", "--runtime", RUNTIME, *arguments], None, more)

    def shell(self, line: str, typed: str | None = None, **more: str) -> subprocess.CompletedProcess[str]:
        """Run a line of a document, such as `make up`, in the clone's folder.

        Args:
            typed: what the person types.
        """
        make = {"PYTHON": sys.executable, "RUNTIME": RUNTIME, "MAKEFLAGS": "--no-print-directory"}
        return self._run(["sh", "-c", line], typed, {**make, **more})

    def _run(self, command: list[str], typed: str | None, more: dict[str, str]) -> subprocess.CompletedProcess[str]:
        plain = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith((*SETTING_PREFIXES, "OAUTH_", "OIDC_", "COMPOSE_", "STACK_"))
            and "_API_KEY" not in name
        }
        return subprocess.run(
            command,
            cwd=self.folder,
            env={**plain, "STACK_VENV": sys.prefix, "GATEHOUSE_KEYRING": "0", **self.variables, **more},
            input=typed or "",
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )

    @property
    def authority(self) -> Path:
        """The certificate of the stack's own authority; made only for https."""
        return self.folder / ".run" / "authority" / "ca.pem"


def clone(folder: Path, env: str) -> Path:
    """Copy the project's files to a new folder, with that `.env`."""
    files = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, files.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    (folder / ".env").write_text(env, encoding="utf-8")
    return folder


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Callable[..., World]]:
    """Make a clone: `world(env, folder)`, with the text of `.env`. Its stack is stopped at the end."""
    worlds: list[World] = []

    def make(env: str, folder: str = "gatehouse") -> World:
        name = f"gatehouse-world-{os.getpid()}-{len(worlds)}"
        home = str(tmp_path / f"home-{len(worlds)}")
        made = World(clone(tmp_path / folder, env), {"GATEHOUSE_HOME": home, "COMPOSE_PROJECT_NAME": name})
        worlds.append(made)
        return made

    yield make
    for one in worlds:
        one.stack("down")
        if RUNTIME == "docker":
            one.stack("clean", STACK_VENV=str(tmp_path / "no-venv"))
