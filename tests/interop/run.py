"""Programs of others, unmodified, with the offline tenant and without the internet.

    make interop [DO="claude-code codex"]

Everything runs in a network namespace that has only the loopback interface. Claude Code and Codex sign in to the
default stack without an account; a scripted browser takes the place of the person. Each presents its client metadata
document, which the tenant cannot fetch there. Other MCP clients register themselves (mcp_clients.py). Auth0's SDKs use
the tenant over TLS (sdks.py).
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.interop import claude_code, codex, mcp_clients, node_recipes, sdks
from tests.support import no_way_out, npm
from tests.support.stack import LocalStack

HERE = Path(__file__).parent


def _with_the_stack(problems: Callable[[LocalStack, Path, Path], list[str]], packages: Path, home: Path) -> list[str]:
    folder = home / "stack"
    folder.mkdir()
    with LocalStack.on_free_ports(folder).running() as stack:
        return problems(stack, packages / "node_modules" / ".bin", home)


PROGRAMS: dict[str, Callable[[Path, Path], list[str]]] = {
    "claude-code": partial(_with_the_stack, claude_code.problems),
    "codex": partial(_with_the_stack, codex.problems),
    **{name: partial(_with_the_stack, client) for name, client in mcp_clients.CLIENTS.items()},
    **{name: partial(sdks.problems, name) for name in sdks.NAMES},
    **{section.lower(): partial(node_recipes.problems, section) for section in node_recipes.COMMANDS},
}


def main() -> int:
    """Exit code 0 if nothing is wrong with any program."""
    chosen = sys.argv[1:] or list(PROGRAMS)
    unknown = [name for name in chosen if name not in PROGRAMS]
    if unknown:
        print(f"There is no {', '.join(unknown)}: choose of {', '.join(PROGRAMS)}.")
        return 2
    folder = Path(os.environ.get("STACK_RUN_DIR") or HERE.parents[1] / ".run") / "interop"
    if not no_way_out.is_inside():
        npm.installed(folder, HERE / "package.json", _complete)
        return no_way_out.run_again(__file__, chosen)
    no_way_out.enter()
    wrong = []
    for name in chosen:
        with tempfile.TemporaryDirectory(prefix="interop-") as home:
            found = PROGRAMS[name](folder, Path(home))
            print(f"  {'MISS' if found else 'ok  '} {name}", flush=True)
            wrong += [f"{name}: {problem}" for problem in found]
    for problem in wrong:
        print(problem)
    return 1 if wrong else 0


def _complete(modules: Path) -> None:
    """Run the script that puts Claude Code's own program in its place: npm may not run it by itself."""
    subprocess.run(["node", "install.cjs"], cwd=modules / "@anthropic-ai" / "claude-code", check=True, timeout=60)


if __name__ == "__main__":
    sys.exit(main())
