"""The settings of the example server: derived values, secrets, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from gatehouse_example.settings import ExampleSettings
from gatehouse_server import SettingsError, load_settings
from tests.server.token_issuer import settings_of

SECRET = "0123456789abcdef0123456789abcdef"


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for field in ExampleSettings.model_fields.values():
        monkeypatch.delenv(str(field.validation_alias), raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AUTH0_DOMAIN", "tenant.example.com")


def test_token_endpoint_and_calendar_follow_from_the_tenant_and_the_place() -> None:
    assert settings_of(ExampleSettings).exchange_url == "https://tenant.example.com/oauth/token"
    assert settings_of(ExampleSettings).events_url == "http://localhost:5555/calendar/events"
    elsewhere = settings_of(ExampleSettings, MCP_HOST="::1", MCP_PORT="6000")
    assert elsewhere.events_url == "http://[::1]:6000/calendar/events"
    assert settings_of(ExampleSettings, CALENDAR_URL="https://c.example.com/").events_url == "https://c.example.com/"


@pytest.mark.parametrize("name", ["REQUEST_STATE_SECRET", "EXCHANGE_CLIENT_SECRET"])
def test_a_secret_can_be_read_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str) -> None:
    (tmp_path / "secret").write_text(f"{SECRET}\n", encoding="utf-8")
    monkeypatch.setenv(f"{name}_FILE", str(tmp_path / "secret"))
    read = load_settings(ExampleSettings)
    assert getattr(read, name.lower()).get_secret_value() == SECRET
    assert SECRET not in repr(read)


@pytest.mark.parametrize("separator", [",", "\n", " , "])
def test_several_secrets_are_the_newest_first(separator: str) -> None:
    given = separator.join(["n" * 32, "o" * 40, "n" * 32])
    assert settings_of(ExampleSettings, REQUEST_STATE_SECRET=given).request_state_keys == ["n" * 32, "o" * 40]


def test_without_a_secret_the_start_says_what_replicas_need() -> None:
    others = settings_of(ExampleSettings, MCP_HOST="0.0.0.0")
    assert "REQUEST_STATE_SECRET is not set" in others.warning
    assert "openssl rand -hex 32" in others.warning
    assert settings_of(ExampleSettings).warning == "", "on this machine only there are no replicas"
    assert settings_of(ExampleSettings, MCP_HOST="0.0.0.0", REQUEST_STATE_SECRET="n" * 32).warning == ""


@pytest.mark.requirement("S25")
@pytest.mark.parametrize("secret", ["hunter2-hunter2", f"{'n' * 32},hunter2", ","])
def test_a_short_secret_is_refused_and_not_shown(monkeypatch: pytest.MonkeyPatch, secret: str) -> None:
    monkeypatch.setenv("REQUEST_STATE_SECRET", secret)
    with pytest.raises(SettingsError, match="REQUEST_STATE_SECRET: at least 32") as raised:
        load_settings(ExampleSettings)
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize(
    ("variables", "why"),
    [
        ({"AUTH0_DOMAIN": "", "OIDC_ISSUER": "https://id.example.com/"}, "set AUTH0_TOKEN_URL"),
        ({"AUTH0_TOKEN_URL": "http://tenant.example.com/oauth/token"}, "AUTH0_TOKEN_URL is .*: https:// is needed"),
        ({"EXCHANGE_CLIENT_SECRET": "demo-secret-of-the-offline-tenant-1"}, "the published secret"),
    ],
    ids=str,
)
def test_a_secret_is_not_sent_to_a_wrong_place(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], why: str
) -> None:
    given = {"EXCHANGE_CLIENT_ID": "server", "EXCHANGE_CLIENT_SECRET": "secret", **variables}
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=why):
        load_settings(ExampleSettings)


def test_the_offline_tenant_may_have_its_token_endpoint_in_the_container_network() -> None:
    read = settings_of(
        ExampleSettings,
        AUTH0_DOMAIN="",
        AUTH0_ISSUER="http://localhost:9000/",
        AUTH0_TOKEN_URL="http://mock-idp:9000/oauth/token",
        EXCHANGE_CLIENT_ID="server",
    )
    assert read.exchange_url == "http://mock-idp:9000/oauth/token"
