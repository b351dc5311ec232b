"""What the documents promise has tests, and a full run cannot leave one out unnoticed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.processes import ROOT
from tests.support.promises import Promises, all_tests, names_of_tests, promised

PROMISED = promised()


@pytest.mark.parametrize(("path", "name"), PROMISED)
def test_a_named_test_exists(path: str, name: str) -> None:
    assert name in names_of_tests(ROOT / path), f"{PROMISED[path, name]} names it"


def test_every_attack_is_in_the_threat_model() -> None:
    attacks = {each for each in all_tests() if each[0].startswith("tests/security/attacks/")}
    assert attacks - PROMISED.keys() == set()


def test_a_named_test_that_was_left_out_or_skipped_is_missing() -> None:
    (path, name), *_ = [each for each in PROMISED if each[0].startswith("tests/security/attacks/")]
    watch = Promises(["tests/security"], [])
    report = {"location": ("", 0, ""), "keywords": {}, "longrepr": None, "when": "call"}
    watch.pytest_runtest_logreport(pytest.TestReport(nodeid=f"{path}::{name}[x]", outcome="skipped", **report))
    assert f"{path}::{name}, which docs/security.md names" in watch.missing()
    watch.pytest_runtest_logreport(pytest.TestReport(nodeid=f"{path}::{name}[y]", outcome="passed", **report))
    assert f"{path}::{name}, which docs/security.md names" not in watch.missing()
    assert all(line.startswith("tests/security/") for line in watch.missing())


@pytest.mark.parametrize(
    ("arguments", "watched"), [(["tests/security/attacks"], True), (["tests/security", "-k", "x"], False)]
)
def test_only_a_run_without_a_selection_is_watched(arguments: list[str], watched: bool, tmp_path: Path) -> None:
    """The folder is left out in the test itself, so that nothing runs: a watched run fails for that."""
    (tmp_path / "test_nothing.py").write_text("def test_nothing():\n    pass\n", encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments, str(tmp_path)]
    ignored = [f"--ignore-glob={ROOT}/tests/security/*"]
    done = subprocess.run([*command, *ignored], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ("NOT SHOWN tests/security/attacks/" in done.stdout) == watched, done.stdout
    if watched:
        assert done.returncode == 1
