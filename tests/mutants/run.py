"""Mutation testing: mutmut changes each function of a module in many small ways. The tests must notice each change.

    make test DO=mutants
    make test DO="mutants gate tokens"
    make test DO="mutants gate again"

`again` repeats only what has changed or was not killed. The run fails if a mutant survives that `survivors.toml` does
not explain, and if an explained one is killed.

A mutant also counts as killed if mypy refuses it, because such code cannot pass `make check`. No mutants are made of
messages (texts with a space) and of what is logged, because people read them and no program does, and of code outside
of functions.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tests.mutants.modules import MODULES, Module

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path(os.environ.get("STACK_RUN_DIR") or ROOT / ".run") / "mutants"
SURVIVORS = Path(__file__).with_name("survivors.toml")
BY_TESTS = ("killed", "timeout")
BY_MYPY = "caught by type check"
# Code without effect is no reason to refuse a mutant.
MYPY = ["--output=json", "--no-warn-unused-ignores", "--no-warn-unreachable", "--no-strict-equality"]
Mutant = tuple[str, str, str]
"""The function, the line as it is, and the line as it is in the mutant."""


def main() -> int:
    """Exit code 0 if exactly the explained mutants survive."""
    again = "again" in sys.argv[1:]
    chosen = [name for name in sys.argv[1:] if name != "again"] or list(MODULES)
    unknown = [name for name in chosen if name not in MODULES]
    if unknown:
        print(f"There is no {', '.join(unknown)}: choose of {', '.join(MODULES)}, and again.")
        return 2
    return max([_mutate(name, MODULES[name], again=again) for name in chosen])


def _mutate(name: str, module: Module, *, again: bool) -> int:
    folder = FOLDER / name
    again = again and (folder / "mutants.json").exists()
    if not again:
        shutil.rmtree(folder, ignore_errors=True)
    command = [sys.executable, Path(__file__).with_name("mutate.py"), _prepare(folder, module), *(["again"] * again)]
    with (folder / "log").open("wb") as log:
        if subprocess.run(command, cwd=folder, stdout=log, stderr=subprocess.STDOUT, check=False).returncode == 0:
            return _judge(name, json.loads((folder / "mutants.json").read_text(encoding="utf-8")))
    print(f"{name}: mutmut failed. The end of {folder / 'log'}:")
    print((folder / "log").read_text(encoding="utf-8")[-4000:])
    return 1


def _prepare(folder: Path, module: Module) -> str:
    """Make the folder in which mutmut runs. It works on a copy of what it finds there.

    Returns:
        The path of the module in it.
    """
    sources, _, inner = module.path.partition("/src/")
    packages = [path.parent for path in (ROOT / sources / "src").glob("*/__init__.py")]
    links = {f"src/{path.name}": path for path in packages}
    links |= {name: ROOT / name for name in ("tests", "docs", "pyproject.toml")}
    (folder / "src").mkdir(parents=True, exist_ok=True)
    for name, target in links.items():
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(target)
    lists = {
        "source_paths": [f"src/{path.name}" for path in packages],
        "only_mutate": [f"src/{inner}"],
        "also_copy": ["docs"],
        "pytest_add_cli_args": ["-m", "not fuzz", "-p", "no:cacheprovider"],
        "pytest_add_cli_args_test_selection": list(module.tests),
        "type_check_command": [sys.executable, "-m", "mypy", *MYPY, f"--cache-dir={FOLDER / 'mypy'}", f"src/{inner}"],
    }
    lines = ["[mutmut]", "timeout_constant = 20", "timeout_multiplier = 6", "track_dependencies = false"]
    lines += [f"{key} =" + "".join(f"\n  {each}" for each in listed) for key, listed in lists.items()]
    (folder / "setup.cfg").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return f"src/{inner}"


def _judge(name: str, mutants: list[list[str]]) -> int:
    """Compare the survivors with the explained ones."""
    count = Counter(state for *_, state in mutants)
    alive = {(function, was, now) for function, was, now, state in mutants if state not in (*BY_TESTS, BY_MYPY)}
    explained = set(_explained(name))
    killed = sum(count[state] for state in BY_TESTS)
    survived = len(mutants) - killed - count[BY_MYPY]
    print(f"{name}: {len(mutants)} mutants: {killed} killed, {count[BY_MYPY]} refused by mypy, {survived} survived")
    if count["timeout"]:  # on a machine with much load it can be a survivor that all tests were tried on
        print(f"{count['timeout']} of the killed ones reached the time limit")
    for function, was, now in sorted(alive - explained):
        print(f"\n{SURVIVORS.name} does not explain:\n[[{name}]]\nfunction = {json.dumps(function)}")
        print(f"line = {json.dumps(was)}\nmutants = [{json.dumps(now)}]", flush=True)
    for function, was, now in sorted(explained - alive):
        print(f"\n{SURVIVORS.name} explains what is killed or not made: {function}\n- {was}\n+ {now}")
    return 1 if alive != explained else 0


def _explained(name: str) -> Iterator[Mutant]:
    for entry in tomllib.loads(SURVIVORS.read_text(encoding="utf-8")).get(name, ()):
        if not entry["reason"]:
            raise SystemExit(f"{SURVIVORS.name}: the entry of {name} for {entry['function']} has no reason. Write it.")
        for mutant in entry["mutants"]:
            yield entry["function"], entry["line"], mutant


if __name__ == "__main__":
    sys.exit(main())
