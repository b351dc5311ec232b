"""Which tenant the variables of `.env` mean."""

from __future__ import annotations

import importlib
import os
import sys
from types import ModuleType

import pytest

from tests.support.processes import ROOT, environment_without_settings

FORWARDED = "https://name-9000.forwarded.example/"
REAL = "dev-1.us.auth0.com"


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "scripts" / "stack"))
    monkeypatch.delitem(sys.modules, "environment", raising=False)
    for name in set(os.environ) - set(environment_without_settings("COMPOSE_", "PUBLIC_", "OIDC_")):
        monkeypatch.delenv(name)
    return importlib.import_module("environment")


@pytest.mark.parametrize("left_over", [{}, {"COMPOSE_PROFILES": "mock"}, {"COMPOSE_PROFILES": ""}])
@pytest.mark.parametrize(
    ("variables", "issuer"),
    [
        ({}, "http://localhost:9000/"),
        ({"MOCK_IDP_PORT": "9100"}, "http://localhost:9100/"),
        ({"AUTH0_ISSUER": "http://localhost:9000/"}, "http://localhost:9000/"),
        ({"AUTH0_DOMAIN": "localhost:9000"}, "http://localhost:9000/"),
        ({"AUTH0_DOMAIN": "localhost:9100", "MOCK_IDP_PORT": "9100"}, "http://localhost:9100/"),
        ({"PUBLIC_HOST": "box.example"}, "https://box.example:9000/"),
        ({"MOCK_IDP_PUBLIC_URL": FORWARDED}, FORWARDED),
        ({"MOCK_IDP_PUBLIC_URL": FORWARDED.rstrip("/")}, FORWARDED),
    ],
)
def test_the_offline_tenant_is_part_of_the_stack_if_no_variable_names_another_issuer(
    environment: ModuleType, variables: dict[str, str], issuer: str, left_over: dict[str, str]
) -> None:
    settings = environment.Environment({**variables, **left_over})
    assert (settings.offline, settings.issuer, settings.profiles) == (True, issuer, "mock")
    assert settings["OFFLINE_TENANT"] == "1"
    assert settings.forwarded is ("MOCK_IDP_PUBLIC_URL" in variables)
    assert settings.tenant_url.endswith(f":{variables.get('MOCK_IDP_PORT', '9000')}/")


@pytest.mark.parametrize("left_over", [{}, {"COMPOSE_PROFILES": "mock"}, {"MOCK_IDP_PUBLIC_URL": FORWARDED}])
@pytest.mark.parametrize(
    ("variables", "issuer"),
    [
        ({"AUTH0_DOMAIN": REAL}, f"https://{REAL}/"),
        ({"AUTH0_DOMAIN": REAL, "AUTH0_ISSUER": FORWARDED}, FORWARDED),
        ({"AUTH0_ISSUER": FORWARDED}, FORWARDED),
        ({"AUTH0_ISSUER": "http://localhost:9000/", "MOCK_IDP_PORT": "9100"}, "http://localhost:9000/"),
        ({"AUTH0_DOMAIN": "127.0.0.1:9443"}, "https://127.0.0.1:9443/"),
        ({"OIDC_ISSUER": "http://localhost:9000/"}, "http://localhost:9000/"),
        ({"AUTH0_ISSUER": "https://[/"}, "https://[/"),
    ],
)
def test_any_other_issuer_is_another_tenants_whatever_else_is_set(
    environment: ModuleType, variables: dict[str, str], issuer: str, left_over: dict[str, str]
) -> None:
    settings = environment.Environment({**variables, **left_over})
    assert (settings.offline, settings.forwarded, settings.issuer, settings.profiles) == (False, False, issuer, "")
    assert settings["OFFLINE_TENANT"] == ""
    assert "MOCK_IDP_PORT" not in settings.ports()


@pytest.mark.parametrize(("variables", "model"), [({"GEMINI_API_KEY": "k"}, "offline"), ({"MODEL": "a:b"}, "a:b")])
def test_a_key_alone_does_not_make_the_demo_ask_a_provider(
    environment: ModuleType, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], model: str
) -> None:
    monkeypatch.delenv("MODEL", raising=False)
    assert environment.Environment(variables).for_demo()["MODEL"] == model
