"""The MCP conformance suite's client scenarios against Gatehouse's client.

    python tests/conformance/client_run.py [0.1|0.2]

A scenario holds when at least one of its checks succeeded and none failed or warned. That is stricter than the suite:
there a client that does nothing passes some. What fails while all run side by side is tried once more, alone.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from client_misses import KNOWN
from suite import HERE, SECONDS, Result, installed

MILLISECONDS = 120_000
"""How long one scenario may take; all start at once, and share the processors."""


@dataclass(frozen=True)
class Suite:
    """One version of the suite, and what of it is run.

    Attributes:
        required: how many scenarios of auth/* must hold.
    """

    package: str
    arguments: tuple[str, ...]
    required: int


SUITES = {
    "0.1": Suite("conformance-0.1", ("--suite", "all"), required=20),
    "0.2": Suite("conformance-0.2", ("--requirements", "2026-07-28"), required=28),
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
    results = {result.name: result for result in _outcome(suite, modules, suite.arguments)}
    known = KNOWN[name]
    for again in [result.name for result in results.values() if not result.holds and result.name not in known]:
        results |= {result.name: result for result in _outcome(suite, modules, ("--scenario", again))}
    print(f"\n{suite.package} {' '.join(suite.arguments)}")
    for result in sorted(results.values(), key=lambda each: each.name):
        reason = f"  known: {known[result.name]}" if result.name in known else ""
        print(f"  {'ok  ' if result.holds else 'MISS'} {result.name}{reason}")
        for problem in result.problems if not result.holds else ():
            print(f"         {problem}")
    holding = [result.name for result in results.values() if result.holds]
    signing_in = [each for each in results if each.startswith("auth/")]
    held = sum(each in holding for each in signing_in)
    print(f"  {len(holding)} of {len(results)} hold; of auth/* {held} of {len(signing_in)}")
    failed = [f"{name}: {each} does not hold" for each in results if each not in holding and each not in known]
    stale = [f"{name}: {each} holds: it is a known miss no more" for each in holding if each in known]
    gone = [f"{name}: {each} was not run: it is no scenario of this version" for each in known if each not in results]
    few = [f"{name}: only {held} of auth/* hold, not {suite.required}"] if held < suite.required else []
    return failed + stale + gone + few


def _outcome(suite: Suite, modules: Path, arguments: tuple[str, ...]) -> list[Result]:
    with tempfile.TemporaryDirectory() as folder:
        node, script = modules / "node" / "bin" / "node", modules / suite.package / "dist" / "index.js"
        client = f"{sys.executable} {HERE / 'client.py'}"
        options = ["--command", client, "--timeout", str(MILLISECONDS), "-o", folder]
        done = subprocess.run(
            [node, script, "client", *options, *arguments],
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        results = list(_results(Path(folder)))
    if not results:
        raise SystemExit(f"{suite.package} ran no scenario:\n{(done.stdout + done.stderr)[-2000:]}")
    return results


def _results(folder: Path) -> Iterator[Result]:
    for path in folder.rglob("checks.json"):
        # The folder's path is SCENARIO-TIME; a scenario's name may have a slash.
        name = re.sub(r"-20\d\d-\d\d-\d\dT.*$", "", str(path.parent.relative_to(folder)))
        checks = json.loads(path.read_text(encoding="utf-8"))
        problems = [check for check in checks if check["status"] in ("FAILURE", "WARNING")]
        yield Result(
            name,
            sum(check["status"] == "SUCCESS" for check in checks if _counts(name, check["id"])),
            tuple(f"{check['id']}: {check.get('errorMessage') or check['description']}" for check in problems),
        )


def _counts(scenario: str, check: str) -> bool:
    """Whether a success shows that the client did something: to reject a resource it must have asked for it."""
    return scenario != "auth/resource-mismatch" or check.startswith("prm-")


if __name__ == "__main__":
    sys.exit(main())
