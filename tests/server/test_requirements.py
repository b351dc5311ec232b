"""Each of our requirements has marked tests, and each mark names a row of the table."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.server.requirements import REQUIREMENTS
from tests.server.requirements_page import COMMAND, PAGE, page

TESTS = Path(__file__).parents[1]
OURS = [name for name, row in REQUIREMENTS.items() if row.owner == "ours"]


@cache
def tagged() -> dict[str, frozenset[str]]:
    """The rows with which each test is marked, by the test's name."""
    found: dict[str, frozenset[str]] = {}
    for path in sorted(TESTS.rglob("test_*.py")):
        module = ast.parse(path.read_text(encoding="utf-8"))
        everywhere = frozenset(_rows(_module_marks(module)))
        for function in module.body:
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef) and function.name.startswith("test_"):
                rows = everywhere | frozenset(_rows(function.decorator_list))
                found[function.name] = found.get(function.name, frozenset()) | rows
    return found


def _module_marks(module: ast.Module) -> list[ast.expr]:
    for statement in module.body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "pytestmark":
            marks = statement.value
            return marks.elts if isinstance(marks, ast.List) else [marks]
    return []


def _rows(marks: list[ast.expr]) -> Iterator[str]:
    for mark in marks:
        if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.requirement":
            yield ast.literal_eval(mark.args[0])


def test_the_table_is_complete() -> None:
    assert list(REQUIREMENTS) == [f"S{number}" for number in range(1, 37)]


@pytest.mark.parametrize("name", OURS)
def test_there_is_a_test_for_requirement(name: str) -> None:
    assert REQUIREMENTS[name].tests
    assert [test for test, rows in tagged().items() if name in rows]


@pytest.mark.parametrize("name", REQUIREMENTS)
def test_the_named_tests_exist_and_are_marked_for(name: str) -> None:
    for test in REQUIREMENTS[name].tests:
        assert test in tagged(), f"there is no {test}"
        assert name in tagged()[test], f"{test} has no @pytest.mark.requirement({name!r})"


def test_every_mark_names_a_row_of_the_table() -> None:
    claimed = {row: test for test, rows in tagged().items() for row in rows}
    assert {row: test for row, test in claimed.items() if row not in REQUIREMENTS} == {}


def test_a_requirement_of_another_owner_has_a_reason() -> None:
    for name, row in REQUIREMENTS.items():
        assert bool(row.why) == (row.owner != "ours"), name


def test_the_page_of_the_requirements_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), f"run {COMMAND}"
