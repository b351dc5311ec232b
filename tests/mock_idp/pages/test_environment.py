"""The compiled templates, which are kept beside the compiled modules."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from jinja2 import DictLoader, Environment

from mock_idp.pages import environment
from mock_idp.pages.environment import CompiledTemplates


def rendered(folder: Path, template: str) -> str:
    compiled = CompiledTemplates()
    compiled.directory = str(folder)
    return (
        Environment(loader=DictLoader({"page": template}), bytecode_cache=compiled, autoescape=True)
        .get_template("page")
        .render()
    )


def test_a_template_is_compiled_once_and_a_changed_one_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    assert rendered(tmp_path, "one") == "one"
    (kept,) = tmp_path.iterdir()
    first = kept.read_bytes()
    assert rendered(tmp_path, "one") == "one"
    assert kept.read_bytes() == first
    assert rendered(tmp_path, "two") == "two"
    assert kept.read_bytes() != first


def test_nothing_is_written_if_python_may_write_no_bytecode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    assert rendered(tmp_path, "one") == "one"
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_no_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    assert rendered(tmp_path / "missing", "one") == "one"


def test_an_image_has_every_template_compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    compiled = CompiledTemplates()
    compiled.directory = str(tmp_path)
    templates = environment.environment().overlay(bytecode_cache=compiled)
    monkeypatch.setattr(environment, "environment", lambda: templates)
    environment.main()
    assert len(list(tmp_path.iterdir())) == len(templates.list_templates()) > 10
