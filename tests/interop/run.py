"""Programs of others, unmodified, with the offline tenant and without the internet.

    make interop [DO="claude-code codex"]

Everything runs in a network namespace that has only the loopback interface. Claude Code and Codex sign in to the
default stack without an account; a scripted browser takes the place of the person. Each presents its client metadata
document, which the tenant cannot fetch there. Auth0's SDKs use the tenant over TLS (sdks.py).
"""

from __future__ import annotations

import errno
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.interop import claude_code, codex, node_recipes, sdks
from tests.support.stack import LocalStack

HERE = Path(__file__).parent
SECONDS = 600
INSIDE = "GATEHOUSE_INTEROP_INSIDE"


def _with_the_stack(problems: Callable[[LocalStack, Path, Path], list[str]], packages: Path, home: Path) -> list[str]:
    folder = home / "stack"
    folder.mkdir()
    with LocalStack.on_free_ports(folder).running() as stack:
        return problems(stack, packages / "node_modules" / ".bin", home)


PROGRAMS: dict[str, Callable[[Path, Path], list[str]]] = {
    "claude-code": partial(_with_the_stack, claude_code.problems),
    "codex": partial(_with_the_stack, codex.problems),
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
    if INSIDE not in os.environ:
        _install(folder)
        return _again_without_a_way_out(chosen)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    _require_no_way_out()
    wrong = []
    for name in chosen:
        with tempfile.TemporaryDirectory(prefix="interop-") as home:
            found = PROGRAMS[name](folder, Path(home))
            print(f"  {'MISS' if found else 'ok  '} {name}", flush=True)
            wrong += [f"{name}: {problem}" for problem in found]
    for problem in wrong:
        print(problem)
    return 1 if wrong else 0


def _install(folder: Path) -> None:
    """Install the programs once, with the script that puts Claude Code's own program in its place."""
    npm = shutil.which("npm")
    if npm is None:
        raise SystemExit("The programs come from npm, which is missing (Debian and Ubuntu: apt install npm).")
    wanted = (HERE / "package.json").read_text(encoding="utf-8")
    stamp = folder / "installed.json"
    if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "package.json").write_text(wanted, encoding="utf-8")
    command = [npm, "install", "--prefix", str(folder), "--no-package-lock", "--no-audit", "--no-fund"]
    subprocess.run([*command, "--loglevel", "error"], cwd=folder, check=True, timeout=SECONDS)
    # npm may not run the scripts of packages by itself.
    subprocess.run(
        ["node", "install.cjs"], cwd=folder / "node_modules" / "@anthropic-ai" / "claude-code", check=True, timeout=60
    )
    stamp.write_text(wanted, encoding="utf-8")


def _again_without_a_way_out(chosen: list[str]) -> int:
    """Run this program again in a network namespace of its own. Only Linux has them."""
    if shutil.which("unshare") is None or shutil.which("ip") is None:
        raise SystemExit("A network without a way out needs Linux with unshare (util-linux) and ip (iproute2).")
    unshare = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--net", "--map-root-user"]
    command = [*unshare, sys.executable, __file__, *chosen]
    return subprocess.run(command, env={**os.environ, INSIDE: "1"}, check=False).returncode


def _require_no_way_out() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(2)
        seen = probe.connect_ex(("192.0.2.1", 443))
    if seen != errno.ENETUNREACH:
        raise SystemExit(f"This network has a way out: a connection ended with {os.strerror(seen)}. Use make interop.")


if __name__ == "__main__":
    sys.exit(main())
