"""The virtual environments: `.venv` for the local runtime and the checks, and separate ones for the benchmarks."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from environment import ROOT, RUN
from report import Problem, say

UV = "uv==0.13.9"
VENV = ROOT / ".venv"
BIN = VENV / "bin"
PYTHON = BIN / "python"
LOCK = ROOT / "tests" / "requirements.lock"
PACKAGES = ("server", "client", "mock-idp")
STAMP = VENV / "gatehouse.stamp"


def ensure() -> None:
    """Make `.venv` match the lock file. Takes seconds the first time, and no time afterwards."""
    wanted = _fingerprint()
    if STAMP.exists() and STAMP.read_text(encoding="utf-8") == wanted:
        return
    say("Preparing .venv (Python packages, from the hashed lock) ...")
    if not PYTHON.exists() or not (BIN / "pip").exists():
        _create()
    _run([PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", UV])
    _run([BIN / "uv", "pip", "sync", "--quiet", "--python", PYTHON, "--require-hashes", LOCK])
    editable = [part for package in PACKAGES for part in ("-e", ROOT / package)]
    _run([BIN / "uv", "pip", "install", "--quiet", "--python", PYTHON, "--no-deps", "--no-build-isolation", *editable])
    STAMP.write_text(wanted, encoding="utf-8")


def lock() -> int:
    """Write the hashed lock files: one for everything, and one with the same versions for each image."""
    everything = [ROOT / package / "pyproject.toml" for package in PACKAGES]
    _compile(LOCK, [*everything, ROOT / "tests" / "requirements.in"])
    for package in PACKAGES:
        _compile(ROOT / package / "requirements.lock", [ROOT / package / "pyproject.toml"], constraints=[LOCK])
    return 0


def add(requirements: Path) -> None:
    """Install the additional packages of one kind of test."""
    _run([BIN / "uv", "pip", "install", "--quiet", "--python", PYTHON, "--requirements", requirements])


def separate_environment(name: str, requirements: Path) -> Path:
    """The Python of an environment with only these packages. Creates it again if they have changed."""
    home = RUN / "environments" / name
    stamp, wanted = home / "gatehouse.stamp", requirements.read_text(encoding="utf-8") + sys.version
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != wanted:
        say(f"Preparing {home.relative_to(ROOT) if home.is_relative_to(ROOT) else home} ...")
        shutil.rmtree(home, ignore_errors=True)
        _run([BIN / "uv", "venv", "--quiet", "--python", sys.executable, home])
        _run([BIN / "uv", "pip", "install", "--quiet", "--python", home / "bin" / "python", "-r", requirements])
        stamp.write_text(wanted, encoding="utf-8")
    return home / "bin" / "python"


def remove() -> None:
    """Delete `.venv`."""
    shutil.rmtree(VENV, ignore_errors=True)


def _compile(output: Path, sources: list[Path], constraints: list[Path] | None = None) -> None:
    options = ["--universal", "--python-version", "3.11", "--generate-hashes", "--all-extras"]
    quiet = ["--quiet", "--no-header", "--no-annotate", "--upgrade"]
    limits = [part for constraint in constraints or [] for part in ("--constraints", constraint)]
    _run([BIN / "uv", "pip", "compile", *options, *quiet, *limits, *sources, "--output-file", output])


def _create() -> None:
    shutil.rmtree(VENV, ignore_errors=True)
    made = subprocess.run([sys.executable, "-m", "venv", VENV], capture_output=True, text=True, check=False)
    if made.returncode != 0:
        shutil.rmtree(VENV, ignore_errors=True)
        text = made.stdout + made.stderr
        if "ensurepip" in text or "No module named venv" in text:
            version = f"{sys.version_info.major}.{sys.version_info.minor}"
            raise Problem(
                f"Python's venv module is missing. Install it (Debian and Ubuntu: apt install python{version}-venv)"
                " and run the command again."
            )
        raise Problem(f"Python could not create .venv. Its message was: {text.strip()[-400:]}")


def _fingerprint() -> str:
    inputs = [LOCK, *(ROOT / package / "pyproject.toml" for package in PACKAGES)]
    digest = hashlib.sha256(f"{UV} {sys.version} {ROOT}".encode())
    for path in inputs:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _run(command: list[str | Path]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        name = " ".join(str(part) for part in command[1:6])
        raise Problem(f"Preparing .venv failed at `{name} ...`:\n{(done.stdout + done.stderr).strip()[-1200:]}")
