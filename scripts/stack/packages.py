"""The virtual environments: `.venv` for the local runtime and the checks, and separate ones for the benchmarks.

`.venv` has what the commands so far needed: the three packages with some of their extras, or all that the tests and
checks need. The lock files decide the versions and the hashes, so that a further extra only adds packages.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import environment
from environment import ROOT
from report import Problem, progress, say

GIVEN_VENV = os.environ.get("STACK_VENV")
"""An environment of somebody else's, used as it is."""
VENV = Path(GIVEN_VENV or ROOT / ".venv")
BIN = VENV / "bin"
PYTHON = BIN / "python"
PACKAGES = ("server", "client", "mock-idp")
STAMP = VENV / "gatehouse.stamp"

LOCKS = {package: ROOT / package / "requirements.lock" for package in PACKAGES}
RUN_LOCK = ROOT / "scripts" / "stack" / "requirements.lock"
LOCK = ROOT / "tests" / "requirements.lock"
SUPPLY_CHAIN_LOCK = ROOT / "scripts" / "supply_chain" / "requirements.lock"
UV_LOCK = ROOT / "scripts" / "stack" / "installer.lock"
"""The installer, which reads the other locks."""
UV_VERSION = re.findall(r"^uv==(\S+)", UV_LOCK.read_text(encoding="utf-8"), re.MULTILINE)[0]
RUN = frozenset({"chat", "keyring", "metrics"})
"""The extras that the stack, the agent and the demo need with the offline tenant and the offline model."""
EVERYTHING = frozenset({"*"})
"""Every extra, and the tests, the linter and the type checker."""
_KEYS = {
    "GEMINI_API_KEY": "gemini",
    "GOOGLE_API_KEY": "gemini",
    "OPENAI_API_KEY": "openai",
    "ANTHROPIC_API_KEY": "anthropic",
}
"""The extra for each key, in the order in which they choose the agent's model if MODEL is not set."""
_PROVIDERS = {"google_genai": "gemini", "openai": "openai", "anthropic": "anthropic"}
"""The extra for each provider that MODEL may name."""
_RUN_EXTRAS = ("agent", "tenant", "keyring", "metrics")
_EXAMPLE = ["--group", f"{ROOT / 'server' / 'pyproject.toml'}:example"]
"""What the example server needs beyond the library."""
_AS_IN_THE_IMAGES = ["--python-version", "3.13", "--python-platform", "x86_64-unknown-linux-gnu"]
_TOOLS = ["--group", f"{ROOT / 'pyproject.toml'}:stack"]
"""What the local runtime needs beyond the three packages."""


def client_extras(variables: environment.Environment, arguments: Sequence[str] = ()) -> frozenset[str]:
    """The extras that the agent and its command need with these variables, beyond those of `RUN`.

    Args:
        arguments: those of the command `gatehouse`.
    """
    model, extras = variables["MODEL"], set[str]()
    keys = [extra for key, extra in _KEYS.items() if variables[key] or variables[f"{key}_FILE"]]
    if model not in ("", "offline") or (keys and not model):
        provider = _PROVIDERS.get(model.partition(":")[0])
        extras |= {"agent", *([provider] if provider else []), *(keys if not model else [])}
    if {"tenant", "doctor"} & set(arguments):  # they read the Management API
        extras.add("tenant")
    return server_extras(variables) | extras


def server_extras(variables: environment.Environment) -> frozenset[str]:
    """The extras that the server needs with these variables, beyond those of `RUN`. The agent needs them also."""
    return frozenset({"otel"} if variables["OTEL_EXPORTER_OTLP_ENDPOINT"] else ())


def needed(variables: environment.Environment, arguments: Sequence[str] = ()) -> frozenset[str]:
    """The extras that stack and agent need with these variables, and the command `gatehouse` with these arguments."""
    return RUN | client_extras(variables, arguments)


@contextlib.contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Of several commands at once, as with `make -j2 check docs`, only one installs packages; the others wait."""
    environment.RUN.mkdir(parents=True, exist_ok=True)
    with (environment.RUN / "packages.lock").open("w", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Another command installs packages: waiting for it.")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def ensure(wanted: frozenset[str] = EVERYTHING) -> None:
    """Make `.venv` match the lock files, with the wanted extras and those that it already has."""
    if not GIVEN_VENV and not _has(wanted):
        _prepare(wanted)


def _has(wanted: frozenset[str]) -> bool:
    """Whether `.venv` matches the lock files and has the wanted extras."""
    fingerprint, present = _stamped()
    return fingerprint == _fingerprint() and (present == EVERYTHING or wanted <= present)


def _stamped() -> tuple[str, frozenset[str]]:
    """What `.venv` was prepared from, and its extras."""
    fingerprint, _, extras = (STAMP.read_text(encoding="utf-8") if STAMP.exists() else "").partition("\n")
    return fingerprint, frozenset(extras.split())


@_one_at_a_time()
def _prepare(wanted: frozenset[str]) -> None:
    if _has(wanted):  # a command before this one has prepared it
        return
    _, present = _stamped()
    wanted = EVERYTHING if EVERYTHING in (wanted, present) else wanted | present
    say("Preparing .venv from the hashed locks: some seconds, or a minute or more if packages must be downloaded.")
    if not PYTHON.exists():
        _create()
    if not list(VENV.glob(f"lib/python*/site-packages/uv-{UV_VERSION}.dist-info")):
        options = ["--quiet", "--disable-pip-version-check", "--require-hashes", "--requirement", UV_LOCK]
        _run("Installing uv", [*_pip(), "install", *options])
    _install(wanted)
    editable = [part for package in PACKAGES for part in ("-e", ROOT / package)]
    options = ["--quiet", "--python", PYTHON, "--no-deps", "--no-build-isolation"]
    _run("Installing this project's packages", [BIN / "uv", "pip", "install", *options, *editable])
    STAMP.write_text("\n".join([_fingerprint(), *sorted(wanted)]), encoding="utf-8")


def _install(wanted: frozenset[str]) -> None:
    """Install what the lock files have of the wanted extras, and remove everything else. The hashes are verified."""
    common = ["--quiet", "--python", PYTHON, "--require-hashes"]
    if wanted == EVERYTHING:
        _run("Installing packages for the tests and the checks", [BIN / "uv", "pip", "sync", *common, LOCK])
        return
    # A lock as a constraint decides the version and the hashes of each package that the chosen extras need.
    projects = [part for package in PACKAGES for part in ("--requirements", ROOT / package / "pyproject.toml")]
    constraints = [part for lock in (RUN_LOCK, *LOCKS.values()) for part in ("--constraints", lock)]
    extras = [part for extra in sorted(wanted) for part in ("--extra", extra)]
    command = [BIN / "uv", "pip", "install", "--exact", *common, *constraints, *projects, *extras, *_EXAMPLE, *_TOOLS]
    _run("Installing packages for the stack and the agent", command)


def lock() -> int:
    """Write the hashed lock files. The one of all packages decides the versions in the others."""
    projects = [ROOT / package / "pyproject.toml" for package in PACKAGES]
    every_extra = ["--all-extras"]
    _compile(LOCK, [*projects, LOCK.with_suffix(".in")], [*every_extra, *_EXAMPLE, *_TOOLS])
    constraint = ["--constraints", str(LOCK)]
    run_extras = [part for extra in _RUN_EXTRAS for part in ("--extra", extra)]
    _compile(RUN_LOCK, projects, [*run_extras, *_EXAMPLE, *_TOOLS, *constraint])
    for package, path in LOCKS.items():
        example = _EXAMPLE if package == "server" else []
        _compile(path, [ROOT / package / "pyproject.toml"], [*every_extra, *example, *constraint])
    _compile(SUPPLY_CHAIN_LOCK, [SUPPLY_CHAIN_LOCK.with_suffix(".in")], [])
    return 0


@_one_at_a_time()
def add(requirements: Path) -> None:
    """Install the additional packages of one kind of test."""
    command = [BIN / "uv", "pip", "install", "--quiet", "--python", PYTHON, "--requirements", requirements]
    _run("Installing the packages of these tests", command)


def whole_lock(package: str) -> Path:
    """The Python of an environment with all of a package's lock, as images install it. It may not run here."""
    return separate_environment(f"{package}-lock", LOCKS[package], "--only-binary", ":all:", *_AS_IN_THE_IMAGES)


@_one_at_a_time()
def separate_environment(name: str, requirements: Path, *options: str) -> Path:
    """The Python of an environment with only these packages. Creates it again if they have changed.

    Args:
        options: of `uv pip install`. It checks the hashes of a lock without an option.
    """
    home = environment.RUN / "environments" / name
    stamp, wanted = home / "gatehouse.stamp", requirements.read_text(encoding="utf-8") + sys.version
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != wanted:
        shown = home.relative_to(ROOT) if home.is_relative_to(ROOT) else home
        shutil.rmtree(home, ignore_errors=True)
        _run(f"Creating {shown}", [BIN / "uv", "venv", "--quiet", "--python", sys.executable, home])
        command = [BIN / "uv", "pip", "install", "--quiet", *options, "--python", home / "bin" / "python"]
        command += ["--requirements", requirements]
        _run(f"Installing packages into {shown}", command)
        stamp.write_text(wanted, encoding="utf-8")
    return home / "bin" / "python"


@_one_at_a_time()
def node_modules(package: str) -> Path | None:
    """The node_modules folder with this npm package, such as `name@1.2.3`; None without npm, or if npm fails."""
    npm, home = shutil.which("npm"), environment.RUN / "environments" / package.rpartition("@")[0].replace("/", "+")
    stamp = home / "gatehouse.stamp"
    if npm is None:
        return None
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != package:
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        command = [npm, "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", home, package]
        with progress(f"Installing {package}"):
            if subprocess.run(command, capture_output=True, check=False).returncode != 0:
                return None
        stamp.write_text(package, encoding="utf-8")
    return home / "node_modules"


def remove() -> None:
    """Delete `.venv`."""
    shutil.rmtree(VENV, ignore_errors=True)


def _compile(output: Path, sources: list[Path], more: list[str]) -> None:
    options = ["--universal", "--python-version", "3.11", "--generate-hashes"]
    quiet = ["--quiet", "--no-header", "--no-annotate", "--upgrade"]
    command = [BIN / "uv", "pip", "compile", *options, *quiet, *more, *sources, "--output-file", output]
    _run(f"Writing {output.relative_to(ROOT)}", command)


def _create() -> None:
    shutil.rmtree(VENV, ignore_errors=True)
    # A copy of pip takes longer than everything else. The pip of this Python can also install into .venv.
    options = ["--without-pip"] if _has_pip() else []
    with progress("Creating .venv"):
        command = [sys.executable, "-m", "venv", *options, VENV]
        made = subprocess.run(command, capture_output=True, text=True, check=False)
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


def _has_pip() -> bool:
    return importlib.util.find_spec("pip") is not None


def _pip() -> list[str | Path]:
    """A command line of pip that installs into `.venv`."""
    return [sys.executable, "-m", "pip", "--python", PYTHON] if _has_pip() else [PYTHON, "-m", "pip"]


def _fingerprint() -> str:
    """Of everything that decides what is installed, other than the extras."""
    digest = hashlib.sha256(f"{UV_VERSION} {sys.version} {ROOT}".encode())
    for path in (LOCK, RUN_LOCK, *LOCKS.values(), *(ROOT / package / "pyproject.toml" for package in PACKAGES)):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _run(text: str, command: list[str | Path]) -> None:
    with progress(text):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        name = " ".join(str(part) for part in command[1:6])
        raise Problem(f"Preparing .venv failed at `{name} ...`:\n{(done.stdout + done.stderr).strip()[-1200:]}")
