"""Programs of others, unmodified, with the offline tenant and without the internet.

    make interop [DO="claude-code codex step-up"]  runs all, or these programs and checks
    make interop DO=table                          writes what is expected of MCP clients into docs/clients.md

Everything runs in a network namespace that has only the loopback interface. MCP clients sign in to the default stack
without an account (clients/); a scripted browser takes the place of the person. Auth0's SDKs and libraries for OpenID
Connect use the tenant over TLS (sdks.py).
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from tests.interop import node_recipes, sdks
from tests.interop.clients import judge
from tests.interop.clients.checks import CHECKS
from tests.interop.clients.client import Machine
from tests.support import no_way_out, npm

HERE = Path(__file__).parent
AT_A_TIME = 5
"""Clients. Most of the time is spent waiting until a token has expired."""
PROGRAMS: dict[str, Callable[[Path, Path], list[str]]] = {
    **{name: partial(sdks.problems, name) for name in sdks.NAMES},
    **{section.lower(): partial(node_recipes.problems, section) for section in node_recipes.COMMANDS},
}


def main() -> int:
    """Exit code 0 if nothing is wrong with any program, beside the expected misses."""
    chosen = sys.argv[1:]
    if chosen == ["table"]:
        judge.PART.write(judge.judgement().table())
        return 0
    known = (*judge.CLIENTS, *CHECKS, *PROGRAMS)
    unknown = [name for name in chosen if name not in known]
    if unknown:
        print(f"There is no {', '.join(unknown)}: choose of table, {', '.join(known)}.")
        return 2
    folder = Path(os.environ.get("STACK_RUN_DIR") or HERE.parents[1] / ".run") / "interop"
    if not no_way_out.is_inside():
        npm.installed(folder, HERE / "package.json", _complete)
        return no_way_out.run_again(__file__, chosen)
    no_way_out.enter()
    checks = [name for name in CHECKS if name in chosen]
    named = [name for name in (*judge.CLIENTS, *PROGRAMS) if name in chosen]
    clients = [name for name in judge.CLIENTS if not named or name in named]
    programs = [name for name in PROGRAMS if name in named or not chosen]
    wrong = _judged(clients, checks or list(CHECKS), folder)
    for name in programs:
        with tempfile.TemporaryDirectory(prefix="interop-") as home:
            found = PROGRAMS[name](folder, Path(home))
            print(f"  {'MISS' if found else 'ok  '} {name}", flush=True)
            wrong += [f"{name}: {problem}" for problem in found]
    if judge.PART.read() != judge.judgement().table():
        wrong.append("docs/clients.md: the table is not the expected one. `make interop DO=table` writes it.")
    for problem in wrong:
        print(problem)
    return 1 if wrong else 0


def _judged(clients: list[str], checks: list[str], folder: Path) -> list[str]:
    """Judge these clients, some at a time. Returns the problems."""
    machine = Machine(folder / "node_modules", Path(os.environ["INTEROP_PYTHON"]))
    judgement = judge.judgement()
    with tempfile.TemporaryDirectory(prefix="interop-") as home, ThreadPoolExecutor(AT_A_TIME) as pool:
        seen = pool.map(lambda name: judge.judge(name, checks, machine, Path(home) / name), clients)
        return [problem for name, each in zip(clients, seen, strict=True) for problem in judgement.report(name, each)]


def _complete(modules: Path) -> None:
    """Run the scripts that put the own programs of two packages in their place: npm may not run them by itself."""
    for package, script in (("@anthropic-ai/claude-code", "install.cjs"), ("opencode-ai", "postinstall.mjs")):
        subprocess.run(["node", script], cwd=modules / package, check=True, timeout=60, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    sys.exit(main())
