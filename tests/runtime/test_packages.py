"""The packages of `.venv`: each command installs the set that it needs, and a larger set only adds packages."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

from tests.support.processes import ROOT

ONLY_FOR_TESTS = {"pytest", "hypothesis", "mypy", "ruff", "import-linter", "pydantic-ai-slim"}
ONLY_FOR_MODELS = {"langchain-openai", "langchain-anthropic", "langchain-google-genai", "openai", "anthropic"}


def pins(lock: Path) -> dict[str, str]:
    """The version of each package of a lock file."""
    return dict(re.findall(r"^([a-z0-9.-]+)==([^\s;]+)", lock.read_text(encoding="utf-8"), re.MULTILINE))


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> None:
    """The modules of `scripts/stack` can be imported."""
    monkeypatch.delenv("STACK_VENV", raising=False)
    monkeypatch.syspath_prepend(str(ROOT / "scripts" / "stack"))
    for name in ("environment", "report", "packages", "local", "ports"):
        monkeypatch.delitem(sys.modules, name, raising=False)


@pytest.fixture
def packages(stack: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module `packages`, which records the installations in `commands` and runs none of them."""
    module = importlib.import_module("packages")
    commands: list[list[str]] = []
    monkeypatch.setattr(module, "commands", commands, raising=False)
    monkeypatch.setattr(module, "_run", lambda _, command: commands.append([str(part) for part in command]))
    monkeypatch.setattr(module, "_create", lambda: None)
    monkeypatch.setattr(module, "STAMP", tmp_path / "stamp")
    return module


def synchronised(packages: ModuleType) -> list[list[str]]:
    """The lock files of each installation since the last call, relative to the project's folder."""
    found = [command for command in packages.commands if "sync" in command]
    packages.commands.clear()
    return [[str(Path(part).relative_to(ROOT)) for part in command if part.endswith(".lock")] for command in found]


def test_every_lock_has_the_versions_of_the_lock_of_all_packages(packages: ModuleType) -> None:
    everything = pins(packages.LOCK)
    for lock in (packages.RUN_LOCK, *packages.LOCKS.values()):
        assert pins(lock).items() <= everything.items(), lock


def test_every_package_of_a_lock_has_hashes_and_is_installed_with_them(packages: ModuleType) -> None:
    for lock in (packages.LOCK, packages.RUN_LOCK, packages.SUPPLY_CHAIN_LOCK, *packages.LOCKS.values()):
        entries = re.split(r"\n(?=\S)", lock.read_text(encoding="utf-8"))
        without = [entry for entry in entries if "==" in entry.partition("\n")[0] and "--hash=sha256:" not in entry]
        assert without == [], lock
    packages.ensure()
    installs = [command for command in packages.commands if "sync" in command]
    for dockerfile in sorted(ROOT.glob("*/Dockerfile")):
        installs += [line.split() for line in dockerfile.read_text(encoding="utf-8").splitlines() if "pip sync" in line]
    assert len(installs) > len(list(ROOT.glob("*/Dockerfile")))
    assert [command for command in installs if "--require-hashes" not in command] == []


def test_the_installer_is_installed_with_the_hashes_of_its_lock(
    packages: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packages, "VENV", tmp_path)
    packages.ensure()
    (installed,) = [command for command in packages.commands if str(packages.UV_LOCK) in command]
    assert "--require-hashes" in installed
    hashes = set(re.findall(r"--hash=(sha256:[0-9a-f]{64})", packages.UV_LOCK.read_text(encoding="utf-8")))
    assert len(hashes) > 2
    for dockerfile in ROOT.glob("*/Dockerfile"):
        text = dockerfile.read_text(encoding="utf-8").replace("\\\n", "")
        (package,) = re.findall(
            r'echo "(.+?)"\s+\| pip install [^|&]*--require-hashes -r /dev/stdin$', text, re.MULTILINE
        )
        version, *of_two_machines = package.split()
        assert version == f"uv=={packages.UV_VERSION}", dockerfile
        assert {each.removeprefix("--hash=") for each in of_two_machines} < hashes, dockerfile
        assert len(re.findall(r"\b(?:pip|apt-get|apk|npm) (?:install|add|sync|ci)\b", text)) == 2, "nothing else"


def test_the_packages_for_running_are_what_the_projects_need_and_no_more(packages: ModuleType) -> None:
    locked = set(pins(packages.RUN_LOCK))
    needed = {"honcho"}
    for name in packages.PACKAGES:
        project = tomllib.loads((ROOT / name / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        extras = project.get("optional-dependencies", {})
        chosen = [
            *project["dependencies"],
            *(extras.get("agent", [])),
            *extras.get("tenant", []),
            *extras.get("keyring", []),
        ]
        needed |= {re.split(r"[\[<>=]", requirement)[0] for requirement in chosen}
    assert needed - locked == set()
    assert locked & (ONLY_FOR_TESTS | ONLY_FOR_MODELS) == set()


def test_a_larger_set_adds_packages_and_a_smaller_one_removes_none(packages: ModuleType) -> None:
    packages.ensure(packages.RUN)
    assert synchronised(packages) == [["scripts/stack/requirements.lock"]]
    packages.ensure(packages.RUN)
    assert synchronised(packages) == []
    packages.ensure()
    assert synchronised(packages) == [["tests/requirements.lock"]]
    for smaller in (packages.OPTIONS, packages.RUN, packages.EVERYTHING):
        packages.ensure(smaller)
    assert synchronised(packages) == []


@pytest.mark.parametrize(
    ("variable", "value", "optional"),
    [
        ("MODEL", "", False),
        ("MODEL", "offline", False),
        ("MODEL", "openai:gpt-5", True),
        ("GEMINI_API_KEY", "k", True),
        ("OPENAI_API_KEY_FILE", "key", True),
        ("ANTHROPIC_API_KEY", "", False),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4318", True),
    ],
)
def test_a_model_of_a_provider_and_traces_need_more_packages(
    packages: ModuleType, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, optional: bool
) -> None:
    for name in os.environ:
        if name in ("MODEL", "OTEL_EXPORTER_OTLP_ENDPOINT") or "_API_KEY" in name:
            monkeypatch.delenv(name)
    needed = packages.needed(packages.environment.Environment({variable: value}))
    assert needed == (packages.OPTIONS if optional else packages.RUN)


def test_a_long_step_shows_that_it_goes_on(stack: None, capsys: pytest.CaptureFixture[str]) -> None:
    report = importlib.import_module("report")
    with report.progress("Short", after=60):
        pass
    with report.progress("Long"):
        time.sleep(1.2)
    assert re.fullmatch(r"  Long \.+\n", capsys.readouterr().out)


def test_the_process_that_started_the_stack_stops_it_without_waiting(
    stack: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    local = importlib.import_module("local")
    monkeypatch.setattr(local, "PID_FILE", tmp_path / "stack.pid")
    command = [sys.executable, "-c", "import time; time.sleep(60)", "honcho"]
    with subprocess.Popen(command, start_new_session=True) as process:
        local.PID_FILE.write_text(str(process.pid), encoding="utf-8")
        started = time.monotonic()
        assert local.down()
    assert time.monotonic() - started < local.STOP_SECONDS / 2
