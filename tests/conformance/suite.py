"""The MCP conformance suite: its packages and its results.

A scenario holds when at least one of its checks succeeded and none failed or warned. That is stricter than the suite,
whose scenarios may pass without a check.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.npm import node

HERE = Path(__file__).parent
SECONDS = 600


@dataclass(frozen=True)
class Result:
    """The result of one scenario."""

    name: str
    succeeded: int
    problems: tuple[str, ...]

    @property
    def holds(self) -> bool:
        return self.succeeded > 0 and not self.problems


def command(modules: Path, version: str) -> list[str]:
    """The suite's command line, `0.1` or `0.2`."""
    return [node(modules), str(modules / f"conformance-{version}" / "dist" / "index.js")]


def results_in(folder: Path, counts: Callable[[str, str], bool] = lambda scenario, check: True) -> list[Result]:
    """Read the results that the suite wrote.

    Args:
        counts: whether the success of a scenario's check counts.
    """
    found = []
    for path in folder.rglob("checks.json"):
        # The folder's path is [authorization-][server-]SCENARIO-TIME; a scenario's name may have a slash.
        name = re.sub(r"-20\d\d-\d\d-\d\dT.*$", "", str(path.parent.relative_to(folder)))
        name = name.removeprefix("authorization-").removeprefix("server-")
        checks = json.loads(path.read_text(encoding="utf-8"))
        problems = [check for check in checks if check["status"] in ("FAILURE", "WARNING")]
        succeeded = sum(check["status"] == "SUCCESS" and counts(name, check["id"]) for check in checks)
        words = tuple(f"{check['id']}: {check.get('errorMessage') or check['description']}" for check in problems)
        found.append(Result(name, succeeded, words))
    return sorted(found, key=lambda result: result.name)


def report(title: str, results: Sequence[Result], known: Mapping[str, str], printed: str) -> list[str]:
    """Show the results.

    Args:
        known: scenarios that fail, and why. A known scenario that passes or does not exist is a problem.
        printed: the suite's output.

    Returns:
        The problems.
    """
    if not results:
        return [f"{title}: the suite ran no scenario:\n{printed[-2000:]}"]
    print(f"\n{title}")
    for result in results:
        reason = f"  known: {known[result.name]}" if result.name in known else ""
        print(f"  {'ok  ' if result.holds else 'MISS'} {result.name}{reason}")
        for problem in result.problems if not result.holds and not reason else ():
            print(f"         {problem}")
    names = {result.name for result in results}
    holding = {result.name for result in results if result.holds}
    print(f"  {len(holding)} of {len(names)} hold")
    wrong = [f"{title}: {each} fails" for each in sorted(names - holding - known.keys())]
    wrong += [f"{title}: {each} passes and must leave known_failures.py" for each in sorted(holding & known.keys())]
    return wrong + [f"{title}: {each} is no scenario of this version" for each in sorted(known.keys() - names)]
