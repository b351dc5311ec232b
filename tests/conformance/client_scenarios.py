"""The suite's client scenarios against Gatehouse's client. A scenario that fails runs a second time, alone."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.conformance.known_failures import CLIENT
from tests.conformance.suite import HERE, SECONDS, Result, command, report, results_in

ARGUMENTS = {"0.1": ("--suite", "all"), "0.2": ("--requirements", "2026-07-28")}
MILLISECONDS = 120_000
"""The time limit of one scenario. All start at once and share the processors."""


def problems(version: str, modules: Path) -> list[str]:
    """Run the scenarios of the suite's version. Returns the unexpected results."""
    arguments, known = ARGUMENTS[version], CLIENT[version]
    first, printed = _outcome([*command(modules, version), "client"], arguments)
    results = {result.name: result for result in first}
    for again in [result.name for result in first if not result.holds and result.name not in known]:
        alone, _ = _outcome([*command(modules, version), "client"], ("--scenario", again))
        results |= {result.name: result for result in alone}
    return report(f"Client, conformance {version} {' '.join(arguments)}", list(results.values()), known, printed)


def _outcome(suite: Sequence[str], arguments: Sequence[str]) -> tuple[list[Result], str]:
    with tempfile.TemporaryDirectory() as folder:
        program = f"{sys.executable} {HERE / 'client_program.py'}"
        options = ["--command", program, "--timeout", str(MILLISECONDS), "-o", folder]
        done = subprocess.run(
            [*suite, *options, *arguments], capture_output=True, text=True, timeout=SECONDS, check=False
        )
        return results_in(Path(folder), _counts), done.stdout + done.stderr


def _counts(scenario: str, check: str) -> bool:
    """Whether a success shows that the client acted: it can only reject a resource that it has requested."""
    return scenario != "auth/resource-mismatch" or check.startswith("prm-")
