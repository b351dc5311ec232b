"""GATEHOUSE_ENV=production refuses what is only safe on a developer's machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from gatehouse_example.settings import ExampleSettings
from gatehouse_server import SettingsError, load_settings

GOOD = {
    "GATEHOUSE_ENV": "production",
    "AUTH0_DOMAIN": "tenant.example.com",
    "MCP_PUBLIC_URL": "https://tools.example.com/mcp",
    "REQUEST_STATE_SECRET": "0123456789abcdef0123456789abcdef",
    "TRUSTED_PROXIES": "172.31.255.0/24,10.0.0.1",
}
DEMO = "demo-secret-of-the-offline-tenant-never-use-it-with-a-real-one-3"
REFUSED: dict[str, tuple[dict[str, str], str]] = {
    "http": (
        {"MCP_PUBLIC_URL": "http://localhost:5555/mcp"},
        "MCP_PUBLIC_URL is 'http://localhost:5555/mcp': the https",
    ),
    "no public URL": ({"MCP_PUBLIC_URL": ""}, "MCP_PUBLIC_URL is 'http://localhost:5555/mcp': the https URL"),
    "https on localhost": ({"MCP_PUBLIC_URL": "https://localhost/mcp"}, "MCP_PUBLIC_URL is 'https://localhost/mcp'"),
    "an issuer over http": (
        {"AUTH0_ISSUER": "http://localhost:9000/", "AUTH0_DOMAIN": "", "AUTH0_JWKS_URL": "https://a.example/keys"},
        "AUTH0_ISSUER is 'http://localhost:9000/': https:// is needed",
    ),
    "another provider over http": (
        {"OIDC_ISSUER": "http://localhost:9000/", "AUTH0_DOMAIN": ""},
        "OIDC_ISSUER is 'http://localhost:9000/': https:// is needed",
    ),
    "keys over http": (
        {"AUTH0_JWKS_URL": "http://mock-idp:9000/keys", "AUTH0_ISSUER": "http://localhost:9000/", "AUTH0_DOMAIN": ""},
        "AUTH0_JWKS_URL is 'http://mock-idp:9000/keys': https:// is needed",
    ),
    "the offline tenant": ({"OFFLINE_TENANT": "1"}, "OFFLINE_TENANT is on"),
    "any host": ({"MCP_ALLOWED_HOSTS": "*"}, "MCP_ALLOWED_HOSTS is '*': names without *"),
    "any port": ({"MCP_ALLOWED_HOSTS": "a.example,b.example:*"}, "MCP_ALLOWED_HOSTS is 'a.example,b.example:*'"),
    "origins with any port": ({"MCP_ALLOWED_ORIGINS": "http://localhost:*"}, "MCP_ALLOWED_ORIGINS is"),
    "any proxy": ({"TRUSTED_PROXIES": "10.0.0.1,0.0.0.0/0"}, "TRUSTED_PROXIES has '0.0.0.0/0': that is every address"),
    "any proxy over IPv6": ({"TRUSTED_PROXIES": "::/0"}, "TRUSTED_PROXIES has '::/0'"),
    "no secret": ({"REQUEST_STATE_SECRET": ""}, "REQUEST_STATE_SECRET is missing: set REQUEST_STATE_SECRET_FILE"),
    "a demo secret": ({"REQUEST_STATE_SECRET": DEMO}, "REQUEST_STATE_SECRET is a published secret"),
    "a secret of the tests": (
        {"REQUEST_STATE_SECRET": "end-to-end-request-state-secret-of-three"},
        "REQUEST_STATE_SECRET is a published secret",
    ),
    "a demo secret for introspection": (
        {"INTROSPECTION_CLIENT_ID": "a", "INTROSPECTION_CLIENT_SECRET": DEMO},
        "INTROSPECTION_CLIENT_SECRET is a published secret",
    ),
}


@pytest.fixture(autouse=True)
def _production(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for field in ExampleSettings.model_fields.values():
        monkeypatch.delenv(str(field.validation_alias), raising=False)
    monkeypatch.chdir(tmp_path)
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize("case", REFUSED)
def test_it_is_refused_with_one_line_that_names_the_variable(monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    variables, line = REFUSED[case]
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as raised:
        load_settings(ExampleSettings)
    lines = str(raised.value).splitlines()[1:]
    assert [each for each in lines if each.startswith(f"  - {line}")], lines
    assert DEMO not in str(raised.value)


@pytest.mark.parametrize("case", ["http", "no secret", "any proxy over IPv6", "a demo secret", "any port"])
def test_a_developer_may_use_it(monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    for name, value in {**REFUSED[case][0], "GATEHOUSE_ENV": ""}.items():
        monkeypatch.setenv(name, value)
    assert load_settings(ExampleSettings).environment == "development"


def test_every_fault_has_a_line_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MCP_PUBLIC_URL", "http://localhost:5555/mcp")
    monkeypatch.setenv("MCP_ALLOWED_HOSTS", "*")
    monkeypatch.setenv("REQUEST_STATE_SECRET", "")
    with pytest.raises(SettingsError) as raised:
        load_settings(ExampleSettings)
    names = [line.split()[1] for line in str(raised.value).splitlines()[1:]]
    assert names == ["MCP_PUBLIC_URL", "MCP_ALLOWED_HOSTS", "REQUEST_STATE_SECRET"]


def test_secrets_of_your_own_are_accepted() -> None:
    assert load_settings(ExampleSettings).environment == "production"


def test_another_environment_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEHOUSE_ENV", "prod")
    with pytest.raises(SettingsError, match="GATEHOUSE_ENV is 'prod': Input should be 'development' or 'production'"):
        load_settings(ExampleSettings)
