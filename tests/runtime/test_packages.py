"""The packages of `.venv`: each command installs the set that it needs, and a larger set only adds packages."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from queue import Queue
from threading import Event
from types import ModuleType

import pytest

from tests.support.processes import ROOT


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
    monkeypatch.setattr(module.environment, "RUN", tmp_path)
    return module


def installed(packages: ModuleType) -> list[set[str]]:
    """The extras of each installation since the last call; for that of the tests, its lock file."""
    found = [command for command in packages.commands if command[0].endswith("uv") and "-e" not in command]
    packages.commands.clear()
    return [
        {str(Path(command[-1]).relative_to(ROOT))}
        if "sync" in command
        else {extra for option, extra in pairwise(command) if option == "--extra"}
        for command in found
    ]


def test_every_lock_has_the_versions_of_the_lock_of_all_packages(packages: ModuleType) -> None:
    everything = pins(packages.LOCK)
    for lock in (packages.RUN_LOCK, *packages.LOCKS.values()):
        assert pins(lock).items() <= everything.items(), lock


def test_every_package_of_a_lock_has_hashes_and_is_installed_with_them(packages: ModuleType) -> None:
    for lock in (packages.LOCK, packages.RUN_LOCK, packages.SUPPLY_CHAIN_LOCK, *packages.LOCKS.values()):
        entries = re.split(r"\n(?=\S)", lock.read_text(encoding="utf-8"))
        without = [entry for entry in entries if "==" in entry.partition("\n")[0] and "--hash=sha256:" not in entry]
        assert without == [], lock
    packages.ensure(packages.RUN)
    packages.ensure()
    installs = [command for command in packages.commands if command[0].endswith("uv") and "-e" not in command]
    dockerfiles = [*ROOT.glob("*/Dockerfile")]
    for dockerfile in dockerfiles:
        lines = dockerfile.read_text(encoding="utf-8").replace("\\\n", "").splitlines()
        installs += [line.split() for line in lines if "uv pip" in line]
    assert len(installs) == len(dockerfiles) + 2
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


def test_the_packages_for_running_are_what_stack_and_agent_need_and_no_more(packages: ModuleType) -> None:
    packages.ensure(packages.RUN)
    assert installed(packages) == [{"chat", "keyring", "metrics"}]
    project = tomllib.loads((ROOT / "client" / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    left_out = set(project["optional-dependencies"]) - {"chat", "keyring"}
    assert left_out == {"agent", "anthropic", "gemini", "openai", "otel", "tenant"}


def test_what_a_command_adds_stays_and_nothing_is_installed_twice(packages: ModuleType) -> None:
    run = {"chat", "keyring", "metrics"}
    packages.ensure(packages.RUN)
    packages.ensure(packages.RUN)
    assert installed(packages) == [run]
    packages.ensure(packages.RUN | {"tenant"})
    packages.ensure(packages.RUN | {"otel"})
    packages.ensure(packages.RUN | {"tenant"})
    assert installed(packages) == [run | {"tenant"}, run | {"tenant", "otel"}]
    packages.ensure()
    for smaller in (packages.RUN, packages.RUN | {"tenant"}, packages.EVERYTHING):
        packages.ensure(smaller)
    assert installed(packages) == [{"tests/requirements.lock"}]


def test_a_changed_lock_is_installed_with_what_was_there(packages: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    packages.ensure(packages.RUN | {"tenant"})
    installed(packages)
    monkeypatch.setattr(packages, "_fingerprint", lambda: "another")
    packages.ensure(packages.RUN)
    assert installed(packages) == [{"chat", "keyring", "metrics", "tenant"}]


def test_of_two_commands_at_once_the_second_waits_and_installs_nothing_twice(
    packages: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: Queue[str] = Queue()
    second_waits = Event()
    record = packages._run

    def install(text: str, command: list[str]) -> None:
        record(text, command)
        assert second_waits.wait(10)

    monkeypatch.setattr(packages, "_run", install)
    monkeypatch.setattr(packages, "say", said.put)
    with ThreadPoolExecutor() as commands:
        first = commands.submit(packages.ensure)
        assert said.get(timeout=10).startswith("Preparing .venv")
        second = commands.submit(packages.ensure)
        assert said.get(timeout=10) == "Another command installs packages: waiting for it."
        second_waits.set()
        first.result()
        second.result()
    assert said.empty()
    assert installed(packages) == [{"tests/requirements.lock"}]


@pytest.mark.parametrize(
    ("variables", "arguments", "added"),
    [
        ({}, ["ask", "What time is it?"], set()),
        ({"MODEL": "offline", "OPENAI_API_KEY": "k"}, [], set()),
        ({"MODEL": "openai:gpt-5"}, [], {"agent", "openai"}),
        ({"MODEL": "groq:llama", "GEMINI_API_KEY": "k"}, [], {"agent"}),
        ({"GEMINI_API_KEY": "k"}, [], {"agent", "gemini"}),
        ({"GOOGLE_API_KEY": "k"}, [], {"agent", "gemini"}),
        ({"OPENAI_API_KEY_FILE": "key"}, [], {"agent", "openai"}),
        ({"ANTHROPIC_API_KEY": ""}, [], set()),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318"}, [], {"otel"}),
        ({}, ["tenant", "plan"], {"tenant"}),
        ({}, ["doctor", "--json"], {"tenant"}),
    ],
)
def test_models_traces_and_the_management_api_need_more_packages(
    packages: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    arguments: list[str],
    added: set[str],
) -> None:
    for name in list(os.environ):
        if name in ("MODEL", "OTEL_EXPORTER_OTLP_ENDPOINT") or "_API_KEY" in name:
            monkeypatch.delenv(name)
    needed = packages.needed(packages.environment.Environment(variables), arguments)
    assert needed == packages.RUN | added


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
