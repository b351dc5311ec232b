"""The MCP conformance suite (its server scenarios against the fixtures behind the gate, and those for the tenant), the
TypeScript SDK's client against the whole stack, and Auth0's Deploy CLI against the tenant.

    make conformance [DO="0.1|0.2|authorization|typescript|deploy-cli"]

0.1 knows the revisions with a handshake (the server keeps sessions for it), 0.2 the revision 2026-07-28.
A scenario holds when at least one of its checks succeeded and none failed or warned: stricter than the suite, whose
scenarios may pass without a check.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import deploy_cli
import typescript
from authorization import run_against_the_tenant
from behind import behind_the_gate
from misses import KNOWN

HERE = Path(__file__).parent
SECONDS = 600


@dataclass(frozen=True)
class Suite:
    """One version of the suite, and what of it is run."""

    package: str
    arguments: tuple[str, ...] = ()
    sessions: bool = False
    of_the_tenant: bool = False


SUITES = {
    "0.1": Suite("conformance-0.1", ("--suite", "active"), sessions=True),
    "0.2": Suite("conformance-0.2", ("--requirements", "2026-07-28")),
    "authorization": Suite("conformance-0.2", of_the_tenant=True),
}


TYPESCRIPT, DEPLOY_CLI = "typescript", "deploy-cli"


@dataclass(frozen=True)
class Result:
    """What became of one scenario."""

    name: str
    succeeded: int
    problems: tuple[str, ...]

    @property
    def holds(self) -> bool:
        return self.succeeded > 0 and not self.problems


def main() -> int:
    """Exit code 0 when every scenario holds but those that are known not to, and these do not."""
    chosen = sys.argv[1:] or [*SUITES, TYPESCRIPT, DEPLOY_CLI]
    modules = _installed(Path(os.environ.get("STACK_RUN_DIR") or HERE.parents[1] / ".run") / "conformance")
    logging.disable(logging.INFO)  # of what passes the gate; the SDK shows it all
    wrong = []
    for name in chosen:
        if name == TYPESCRIPT:
            print("\nThe TypeScript SDK's client")
            wrong += typescript.problems(modules / "node" / "bin" / "node", modules)
        elif name == DEPLOY_CLI:
            print("\nAuth0's Deploy CLI")
            wrong += deploy_cli.problems(modules / "node" / "bin" / "node", modules)
        else:
            wrong += _run(name, SUITES[name], modules)
    for problem in wrong:
        print(problem)
    return 1 if wrong else 0


def _run(name: str, suite: Suite, modules: Path) -> list[str]:
    command = [str(modules / "node" / "bin" / "node"), str(modules / suite.package / "dist" / "index.js")]
    with tempfile.TemporaryDirectory() as folder:
        if suite.of_the_tenant:
            printed = run_against_the_tenant(command, Path(folder))
        else:
            with behind_the_gate(sessions=suite.sessions) as url:
                command += ["server", "--url", url, "-o", folder, *suite.arguments]
                done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
            printed = done.stdout + done.stderr
        results = sorted(_results(Path(folder)), key=lambda result: result.name)
    if not results:
        return [f"{name}: the suite ran no scenario:\n{printed[-2000:]}"]
    known = KNOWN.get(name, {})
    print(f"\n{name}: {suite.package} {' '.join(suite.arguments)}")
    for result in results:
        reason = f"  known: {known[result.name]}" if result.name in known else ""
        print(f"  {'ok  ' if result.holds else 'MISS'} {result.name}{reason}")
        for problem in result.problems if not result.holds and not reason else ():
            print(f"         {problem}")
    print(f"  {sum(result.holds for result in results)} of {len(results)} hold")
    failed = [f"{name}: {each.name} does not hold" for each in results if not each.holds and each.name not in known]
    stale = [
        f"{name}: {each.name} holds and is no known miss any more"
        for each in results
        if each.holds and each.name in known
    ]
    return failed + stale


def _results(folder: Path) -> Iterator[Result]:
    for path in folder.glob("*/checks.json"):
        # The folder's name is [authorization-]server-SCENARIO-TIME.
        name = path.parent.name.removeprefix("authorization-").removeprefix("server-").partition("-20")[0]
        checks = json.loads(path.read_text(encoding="utf-8"))
        problems = [check for check in checks if check["status"] in ("FAILURE", "WARNING")]
        yield Result(
            name,
            sum(check["status"] == "SUCCESS" for check in checks),
            tuple(f"{check['id']}: {check.get('errorMessage') or check['status']}" for check in problems),
        )


def _installed(folder: Path) -> Path:
    """The suite's packages, installed once: both versions, and the Node that the older one needs."""
    npm = shutil.which("npm")
    if npm is None:
        raise SystemExit("The conformance suite needs npm (Debian and Ubuntu: apt install npm).")
    wanted = (HERE / "package.json").read_text(encoding="utf-8")
    stamp, package = folder / "installed.json", folder / "package.json"
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != wanted:
        folder.mkdir(parents=True, exist_ok=True)
        package.write_text(wanted, encoding="utf-8")
        command = [npm, "install", "--prefix", str(folder), "--no-package-lock", "--no-audit", "--no-fund"]
        command += ["--loglevel", "error"]
        subprocess.run(command, cwd=folder, stdout=subprocess.DEVNULL, check=True, timeout=SECONDS)
        stamp.write_text(wanted, encoding="utf-8")
    return folder / "node_modules"


if __name__ == "__main__":
    sys.exit(main())
