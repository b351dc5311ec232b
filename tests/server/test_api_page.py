"""docs/api.md has every public name as its docstring describes it, and the docstrings leave nothing out."""

from __future__ import annotations

import builtins
from collections.abc import Iterator
from types import ModuleType

import griffe
import pytest

import gatehouse_server
from tests.support.pages import generator_of


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    return generator_of("api")


def public() -> Iterator[tuple[str, griffe.Object]]:
    """Each public name, and the methods of the classes among them."""
    package = generator_of("markdown").package("gatehouse_server", "server")
    for name in gatehouse_server.__all__:
        thing = package[name].final_target
        yield name, thing
        for member, method in thing.members.items() if thing.is_class else ():
            if method.is_function and not member.startswith("_"):
                yield f"{name}.{member}", method


PUBLIC = dict(public())


def described(thing: griffe.Object, kind: str) -> list[str]:
    """The names in the sections of that kind in the docstring."""
    assert thing.docstring is not None, thing.path
    sections = [section.value for section in thing.docstring.parsed if section.kind.value == kind]
    return [str(entry.annotation if kind == "raises" else entry.name) for section in sections for entry in section]


def test_the_page_has_every_public_name(generator: ModuleType) -> None:
    assert sorted(name for names in generator.SECTIONS.values() for name in names) == sorted(gatehouse_server.__all__)


@pytest.mark.parametrize("name", gatehouse_server.__all__)
def test_a_docstring_describes_every_parameter_and_field_of(name: str) -> None:
    thing = PUBLIC[name]
    told = {*described(thing, "parameters"), *described(thing, "attributes")}
    asked = set()
    function = thing.members.get("__init__") if thing.is_class else thing
    if function is not None and function.is_function:
        asked = {each.name for each in function.parameters} - {"self", "cls"}
    if thing.is_class:
        fields = {member: each for member, each in thing.members.items() if each.is_attribute and member[0] != "_"}
        told |= {member for member, each in fields.items() if each.docstring}
        asked |= set(fields) - {"model_config"} if not function else set()
    if name not in TOLD_IN_WORDS:
        assert asked - told == set()


TOLD_IN_WORDS = {"IntrospectionUnavailable", "KeysUnavailable", "audit_to_logger", "audit_to_stream"}


@pytest.mark.parametrize("name", PUBLIC)
def test_an_error_that_a_docstring_names_is_public_or_built_in(name: str) -> None:
    errors = {error for entry in described(PUBLIC[name], "raises") for error in entry.strip("()").split(", ")}
    assert {error for error in errors if error not in PUBLIC and not hasattr(builtins, error)} == set()
