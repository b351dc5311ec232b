"""The MCP conformance suite's server scenarios against the fixtures behind the gate.

    python3 scripts/stack conformance [0.1|0.2]

0.1 knows the revisions with a handshake (the server keeps sessions for it), 0.2 the revision 2026-07-28 (nothing is kept).
A scenario holds when at least one of its checks succeeded and none failed or warned: stricter than the suite, whose
scenarios may pass without a check.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from behind import behind_the_gate
from misses import KNOWN
from suite import HERE, SECONDS, Result, installed


@dataclass(frozen=True)
class Suite:
    """One version of the suite, and what of it is run."""

    package: str
    arguments: tuple[str, ...]
    sessions: bool


SUITES = {
    "0.1": Suite("conformance-0.1", ("--suite", "active"), sessions=True),
    "0.2": Suite("conformance-0.2", ("--requirements", "2026-07-28"), sessions=False),
}


def main() -> int:
    """Exit code 0 when every scenario holds but those that are known not to, and these do not."""
    chosen = sys.argv[1:] or list(SUITES)
    modules = installed(Path(os.environ.get("STACK_RUN_DIR") or HERE.parents[1] / ".run") / "conformance")
    wrong = [problem for name in chosen for problem in _run(name, SUITES[name], modules)]
    for problem in wrong:
        print(problem)
    return 1 if wrong else 0


def _run(name: str, suite: Suite, modules: Path) -> list[str]:
    with tempfile.TemporaryDirectory() as folder, behind_the_gate(sessions=suite.sessions) as url:
        node = modules / "node" / "bin" / "node"
        command = [node, modules / suite.package / "dist" / "index.js", "server", "--url", url, "-o", folder]
        done = subprocess.run([*command, *suite.arguments], capture_output=True, text=True, timeout=SECONDS, check=False)
        results = sorted(_results(Path(folder)), key=lambda result: result.name)
    if not results:
        return [f"{name}: the suite ran no scenario:\n{(done.stdout + done.stderr)[-2000:]}"]
    known = KNOWN[name]
    print(f"\n{suite.package} {' '.join(suite.arguments)}")
    for result in results:
        reason = f"  known: {known[result.name]}" if result.name in known else ""
        print(f"  {'ok  ' if result.holds else 'MISS'} {result.name}{reason}")
        for problem in result.problems if not result.holds else ():
            print(f"         {problem}")
    print(f"  {sum(result.holds for result in results)} of {len(results)} hold")
    failed = [f"{name}: {each.name} does not hold" for each in results if not each.holds and each.name not in known]
    stale = [f"{name}: {each.name} holds: it is a known miss no more" for each in results if each.holds and each.name in known]
    return failed + stale


def _results(folder: Path) -> Iterator[Result]:
    for path in folder.glob("server-*/checks.json"):
        # The folder's name is server-SCENARIO-TIME.
        name = path.parent.name.removeprefix("server-").partition("-20")[0]
        checks = json.loads(path.read_text(encoding="utf-8"))
        problems = [check for check in checks if check["status"] in ("FAILURE", "WARNING")]
        yield Result(
            name,
            sum(check["status"] == "SUCCESS" for check in checks),
            tuple(f"{check['id']}: {check.get('errorMessage') or check['status']}" for check in problems),
        )


if __name__ == "__main__":
    sys.exit(main())
