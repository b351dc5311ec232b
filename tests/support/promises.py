"""The tests that a document names, and whether a run ran them.

A full run is one of whole folders without a selection. It fails if a named test in these folders passed nowhere: a test
that is left out or skipped shows nothing.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = ("docs/security.md", "docs/requirements.md")
LINK = re.compile(r"\[([a-z0-9_]+)\]\(\.\./(tests/[\w/]+\.py)\)")


def promised() -> dict[tuple[str, str], str]:
    """By the file and the name of each named test: the document that names it."""
    found = {}
    for document in DOCUMENTS:
        for name, path in LINK.findall((ROOT / document).read_text(encoding="utf-8")):
            found[path, f"test_{name}"] = document
    return found


@cache
def names_of_tests(path: Path) -> frozenset[str]:
    """The names of the tests in a file."""
    body = ast.parse(path.read_text(encoding="utf-8")).body
    functions = (each.name for each in body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef))
    return frozenset(name for name in functions if name.startswith("test_"))


def all_tests() -> Iterator[tuple[str, str]]:
    """The file and the name of each test."""
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for name in sorted(names_of_tests(path)):
            yield str(path.relative_to(ROOT)), name


class Promises:
    """A pytest plugin for a full run. It needs no state of its workers: with xdist, the reports come to this process.

    Args:
        folders: the folders of the run.
        left_out: folders of them that the command leaves out.
    """

    def __init__(self, folders: list[str], left_out: list[str]) -> None:
        self._passed: set[tuple[str, str]] = set()
        self._folders, self._left_out = folders, left_out

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note a test that passed."""
        if report.when == "call" and report.passed:
            path, _, name = report.nodeid.partition("::")
            self._passed.add((path, name.partition("[")[0]))

    def missing(self) -> list[str]:
        """The named tests of the folders that passed nowhere, each with its document."""
        return [
            f"{path}::{name}, which {document} names"
            for (path, name), document in promised().items()
            if _within(path, self._folders) and not _within(path, self._left_out) and (path, name) not in self._passed
        ]

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Fail a run that would succeed without a named test."""
        if session.exitstatus == pytest.ExitCode.OK and self.missing():
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter, exitstatus: int) -> None:
        """Say which ones."""
        if exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
            for line in self.missing():
                terminalreporter.write_line(f"NOT SHOWN {line}", red=True)


def promises_of(config: pytest.Config) -> Promises | None:
    """The plugin for a full run; None for any other run."""
    chosen = ("keyword", "markexpr", "deselect", "lf", "stepwise", "maxfail", "collectonly")
    if any(config.getoption(name, default=None) for name in chosen) or hasattr(config, "workerinput"):
        return None
    if any("::" in argument or argument.endswith(".py") for argument in config.args):
        return None
    ignored = config.getoption("ignore") or []
    return Promises([_relative(config, each) for each in config.args], [_relative(config, each) for each in ignored])


def _relative(config: pytest.Config, folder: str) -> str:
    path = (config.invocation_params.dir / folder).resolve()
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else folder


def _within(path: str, folders: list[str]) -> bool:
    return any(path.startswith(f"{folder}/") for folder in folders)
