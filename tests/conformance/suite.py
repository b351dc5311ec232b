"""The suite's packages, and what is read from its results."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
SECONDS = 600


@dataclass(frozen=True)
class Result:
    """What became of one scenario."""

    name: str
    succeeded: int
    problems: tuple[str, ...]

    @property
    def holds(self) -> bool:
        return self.succeeded > 0 and not self.problems


def installed(folder: Path) -> Path:
    """The suite's packages, installed once: both versions, and the Node that the older one needs."""
    npm = shutil.which("npm")
    if npm is None:
        raise SystemExit("The conformance suite needs npm (Debian and Ubuntu: apt install npm).")
    wanted = (HERE / "package.json").read_text(encoding="utf-8")
    stamp, package = folder / "installed.json", folder / "package.json"
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != wanted:
        folder.mkdir(parents=True, exist_ok=True)
        package.write_text(wanted, encoding="utf-8")
        quiet = ["--no-package-lock", "--no-audit", "--no-fund", "--loglevel", "error"]
        subprocess.run([npm, "install", "--prefix", str(folder), *quiet], cwd=folder, check=True, timeout=SECONDS)
        stamp.write_text(wanted, encoding="utf-8")
    return folder / "node_modules"
