"""How settings and surroundings choose the way to sign in and the client."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import httpx2
import pytest
from joserfc.jwk import ECKey

from gatehouse_client.account import Account, choose_flow, choose_registration
from gatehouse_client.errors import ConfigurationError
from gatehouse_client.settings import Settings, load_settings
from gatehouse_client.signin.flows.assertion import AssertionFlow, EnterpriseAssertion
from gatehouse_client.signin.flows.browser import open_private_window, open_system_browser
from gatehouse_client.signin.flows.client_credentials import ClientCredentialsFlow
from gatehouse_client.signin.flows.code import CodeFlow
from gatehouse_client.signin.flows.device import DeviceFlow
from gatehouse_client.signin.flows.flow import SignInFlow, SignInTask
from gatehouse_client.signin.http.fetch import Fetcher
from gatehouse_client.signin.http.trace import Trace
from gatehouse_client.signin.protocol.client import OAuthClient
from gatehouse_client.signin.protocol.discovery import AuthorizationServer
from gatehouse_client.signin.protocol.registration import ClientStore, PreRegistered, Registration, SelfRegistered
from gatehouse_client.signin.ready_token import ReadyTokenAuth
from tests.client.run_command import clean_environment

IDP = {
    "OAUTH_IDP_TOKEN_ENDPOINT": "https://idp.example/token",
    "OAUTH_IDP_CLIENT_ID": "at-idp",
    "OAUTH_IDP_ID_TOKEN": "id-t0ken",
}


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings, no screen, no terminal."""
    for name in set(os.environ) - set(clean_environment()):
        monkeypatch.delenv(name)
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    monkeypatch.setenv("GATEHOUSE_HOME", str(tmp_path))
    monkeypatch.setenv("GATEHOUSE_KEYRING", "0")
    monkeypatch.chdir(tmp_path)


def settings(monkeypatch: pytest.MonkeyPatch, **variables: str) -> Settings:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return load_settings()


def way(loaded: Settings) -> SignInFlow:
    return choose_flow(loaded, Fetcher(), pytest.fail, Trace())


def registration(loaded: Settings) -> Registration:
    return choose_registration(loaded, Fetcher(), ClientStore(loaded.gatehouse_home, pytest.fail))


@pytest.mark.parametrize(
    ("screen", "terminal", "opens", "pastes"),
    [(True, True, True, False), (True, False, True, False), (False, True, False, True), (False, False, True, False)],
)
def test_without_a_choice_the_surroundings_decide(
    monkeypatch: pytest.MonkeyPatch, screen: bool, terminal: bool, opens: bool, pastes: bool
) -> None:
    if screen:
        monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr("sys.stdin.isatty", lambda: terminal, raising=False)
    chosen = way(settings(monkeypatch))
    assert isinstance(chosen, CodeFlow)
    assert (chosen.open_browser is not None, chosen.read_line is not None) == (opens, pastes)


@pytest.mark.parametrize(
    ("variables", "kind"),
    [
        ({"GATEHOUSE_SIGN_IN": "browser"}, CodeFlow),
        ({"GATEHOUSE_SIGN_IN": "paste"}, CodeFlow),
        ({"GATEHOUSE_SIGN_IN": "device"}, DeviceFlow),
        ({"GATEHOUSE_SIGN_IN": "machine"}, ClientCredentialsFlow),
        ({"GATEHOUSE_SIGN_IN": "assertion", "GATEHOUSE_ASSERTION": "w0rkload"}, AssertionFlow),
        ({"GATEHOUSE_SIGN_IN": "assertion", **IDP}, AssertionFlow),
    ],
)
def test_a_choice_is_followed(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], kind: type[object]) -> None:
    chosen = way(settings(monkeypatch, **variables))
    assert isinstance(chosen, kind)
    if isinstance(chosen, AssertionFlow):
        assert isinstance(chosen.assertion, EnterpriseAssertion) == ("OAUTH_IDP_ID_TOKEN" in variables)
    if isinstance(chosen, CodeFlow):
        assert (chosen.read_line is not None) == (variables["GATEHOUSE_SIGN_IN"] == "paste")


def test_a_private_window_is_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    for value, opener in (("0", open_system_browser), ("1", open_private_window)):
        chosen = way(settings(monkeypatch, GATEHOUSE_PRIVATE_WINDOW=value, GATEHOUSE_SIGN_IN="browser"))
        assert isinstance(chosen, CodeFlow)
        assert chosen.open_browser is opener


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"GATEHOUSE_SIGN_IN": "assertion", "AUTH0_CLIENT_ID": "id"}, "OAUTH_IDP_TOKEN_ENDPOINT"),
        (
            {"GATEHOUSE_SIGN_IN": "assertion", "AUTH0_CLIENT_ID": "id", "OAUTH_IDP_CLIENT_ID": "at-idp"},
            "OAUTH_IDP_ID_TOKEN",
        ),
        ({"GATEHOUSE_SIGN_IN": "machine"}, "AUTH0_CLIENT_ID is not set"),
        ({"OAUTH_TOKEN_ENDPOINT_AUTH_METHOD": "private_key_jwt"}, "AUTH0_CLIENT_ID is not set"),
        ({"GATEHOUSE_SIGN_IN": "token"}, "GATEHOUSE_TOKEN"),
    ],
)
def test_a_choice_that_lacks_a_setting_says_which(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], said: str
) -> None:
    with pytest.raises(ConfigurationError, match=said):
        Account.from_settings(settings(monkeypatch, **variables), pytest.fail, Trace())


def test_an_application_is_used_as_it_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    pem = ECKey.generate_key("P-256").as_pem(private=True).decode()
    variables = {
        "AUTH0_CLIENT_ID": "id",
        "AUTH0_CLIENT_SECRET": "s3cret",
        "AUTH0_CLIENT_PRIVATE_KEY": pem,
        "OAUTH_TOKEN_ENDPOINT_AUTH_METHOD": "client_secret_basic",
        "OAUTH_CLIENT_METADATA_URL": "https://agent.example/client.json",
    }
    chosen = registration(settings(monkeypatch, **variables))
    assert isinstance(chosen, PreRegistered)
    assert (chosen.client.client_id, chosen.client.secret) == ("id", "s3cret")
    assert (chosen.client.method, chosen.client.key is not None) == ("client_secret_basic", True)


def test_without_an_application_the_client_registers_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    variables = {
        "OAUTH_CLIENT_METADATA_URL": "https://agent.example/client.json",
        "OAUTH_DYNAMIC_REGISTRATION": "0",
        "OAUTH_CALLBACK_URI": "http://localhost:7777/callback",
    }
    chosen = registration(settings(monkeypatch, **variables))
    assert isinstance(chosen, SelfRegistered)
    assert (chosen.metadata_url, chosen.dynamic) == ("https://agent.example/client.json", False)
    assert chosen.redirect_uri == "http://localhost:7777/callback"


def test_a_ready_token_goes_before_the_ways_that_nobody_chose(monkeypatch: pytest.MonkeyPatch) -> None:
    def auth(**variables: str) -> Any:
        return Account.from_settings(settings(monkeypatch, **variables), pytest.fail, Trace()).auth()

    assert isinstance(auth(GATEHOUSE_TOKEN="t0ken"), ReadyTokenAuth)
    assert not isinstance(auth(GATEHOUSE_SIGN_IN="browser"), ReadyTokenAuth)


@pytest.mark.anyio
async def test_a_workloads_jwt_is_read_anew_for_each_sign_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file, asked = tmp_path / "jwt", list[str]()
    monkeypatch.setenv("GATEHOUSE_ASSERTION_FILE", str(file))
    monkeypatch.setenv("AUTH0_CLIENT_ID", "id")
    monkeypatch.setenv("GATEHOUSE_SIGN_IN", "assertion")
    file.write_text("first")

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(dict(parse_qsl(request.content.decode()))["assertion"])
        return httpx2.Response(200, json={"access_token": "t0ken", "token_type": "Bearer"})

    fetch = Fetcher(transport=httpx2.MockTransport(answer))
    chosen = choose_flow(load_settings(), fetch, pytest.fail, Trace())
    server = AuthorizationServer(
        issuer="https://tenant.example/",
        authorization_endpoint="https://tenant.example/authorize",
        token_endpoint="https://tenant.example/oauth/token",
    )
    task = SignInTask(server, OAuthClient("id"), "https://mcp.example/mcp", "urn:api", None)
    await chosen.sign_in(task)
    file.write_text("second")
    await chosen.sign_in(task)
    assert asked == ["first", "second"]
