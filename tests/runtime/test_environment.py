"""Which tenant the variables of `.env` mean."""

from __future__ import annotations

import importlib
import sys

import pytest

from tests.support.processes import ROOT

FORWARDED = "https://name-9000.forwarded.example/"


@pytest.mark.parametrize(
    ("variables", "offline", "forwarded"),
    [
        ({}, True, False),
        ({"COMPOSE_PROFILES": "mock", "AUTH0_ISSUER": "http://localhost:9000/"}, True, False),
        ({"COMPOSE_PROFILES": "mock", "AUTH0_ISSUER": FORWARDED}, True, True),
        ({"COMPOSE_PROFILES": "mock", "PUBLIC_HOST": "box.example", "AUTH0_ISSUER": FORWARDED}, True, True),
        ({"AUTH0_ISSUER": FORWARDED}, False, False),
        ({"COMPOSE_PROFILES": "mock", "AUTH0_DOMAIN": "dev-1.us.auth0.com"}, False, False),
        ({"COMPOSE_PROFILES": "mock", "AUTH0_DOMAIN": "dev-1.us.auth0.com", "AUTH0_ISSUER": FORWARDED}, False, False),
        (
            {"COMPOSE_PROFILES": "mock", "OIDC_ISSUER": "https://other.example/", "AUTH0_ISSUER": FORWARDED},
            False,
            False,
        ),
    ],
)
def test_an_https_issuer_is_the_offline_tenants_only_with_its_profile_and_without_another_tenant(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], offline: bool, forwarded: bool
) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "scripts" / "stack"))
    monkeypatch.delitem(sys.modules, "environment", raising=False)
    for name in ("COMPOSE_PROFILES", "PUBLIC_HOST", "OIDC_ISSUER", "AUTH0_DOMAIN", "AUTH0_ISSUER"):
        monkeypatch.delenv(name, raising=False)
    settings = importlib.import_module("environment").Environment(variables)
    assert (settings.offline, settings.forwarded) == (offline, forwarded)
    if offline:
        assert settings.issuer == variables.get("AUTH0_ISSUER", "http://localhost:9000/")
        assert settings.tenant_url.endswith(":9000/")
