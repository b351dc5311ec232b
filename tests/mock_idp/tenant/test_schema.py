from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from mock_idp.tenant.tenant_schema import schema_text

ROOT = Path(__file__).parents[3]


def validator() -> Draft202012Validator:
    return Draft202012Validator(json.loads(schema_text()))


def document() -> Any:
    return yaml.safe_load((ROOT / "auth0/tenant.yaml").read_text(encoding="utf-8"))


def test_the_schema_in_the_repository_is_current() -> None:
    kept = (ROOT / "mock-idp/tenant.schema.json").read_text(encoding="utf-8")
    assert kept == schema_text(), "run: python -m mock_idp schema > mock-idp/tenant.schema.json"


def test_our_tenant_file_is_valid() -> None:
    Draft202012Validator.check_schema(json.loads(schema_text()))
    assert list(validator().iter_errors(document())) == []


@pytest.mark.parametrize(
    "change",
    [
        lambda file: file.update(actions=[], rules=None),
        lambda file: file["tenant"].update(sandbox_version="22", default_audience=None),
        lambda file: file["clients"][0].update(sso_disabled=False),
    ],
)
def test_what_an_export_contains_is_valid(change: Any) -> None:
    file = document()
    change(file)
    assert list(validator().iter_errors(file)) == []


@pytest.mark.parametrize(
    "change",
    [
        lambda file: file.update(user=[]),
        lambda file: file["tenant"].update(freindly_name="x"),
        lambda file: file["resourceServers"][0].update(token_dialect="jwt"),
        lambda file: file["clients"][0].update(callbacks="http://localhost/"),
    ],
)
def test_a_mistake_is_found(change: Any) -> None:
    file = document()
    change(file)
    assert list(validator().iter_errors(file)) != []
