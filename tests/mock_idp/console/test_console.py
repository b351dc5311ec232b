from __future__ import annotations

import html
import re
from typing import Any

import pytest

from mock_idp.console.view import TABS
from mock_idp.pages.texts import texts
from mock_idp.tenant.model import TenantSettings
from tests.mock_idp.conftest import CALLBACK, CHALLENGE

API = "http://localhost:5555/mcp"
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"


def console(tenant: Any, tab: str = "sign_ins", **headers: str) -> Any:
    return tenant.http.get("/", params={"tab": tab}, headers=headers)


def headlines(tenant: Any) -> list[str]:
    """The titles and states of the sign-ins, newest first."""
    page = console(tenant).text
    found = re.findall(r"<summary>\s*<h3>(.*?)</h3>\s*<span class=\"state ([a-z]+)\">", page, re.DOTALL)
    return [f"{re.sub('<[^>]+>', '', title)}: {state}" for title, state in found]


def messages(tenant: Any) -> list[str]:
    """The messages of the newest sign-in, by sender, receiver and title."""
    newest = console(tenant).text.split('<details class="sign-in"')[1]
    steps = re.findall(r'<li class="step from-([a-z]+) to-([a-z]+)[^>]*>.*?<h4>(.*?)</h4>', newest, re.DOTALL)
    return [f"{sender} {receiver}: {html.unescape(title)}" for sender, receiver, title in steps]


def test_the_console_shows_users_clients_apis_connections_and_settings_with_their_keys(tenant: Any) -> None:
    page = "".join(console(tenant, tab).text for tab in TABS)
    for part in (
        "alice@example.com",
        "Wonderland-1",
        "access:mcp",
        "Gatehouse agent",
        tenant.agent[0],
        "http://localhost:5000/callback",
        "Gatehouse MCP server",
        API,
        "rfc9068_profile_authz",
        "Username-Password-Authentication",
        "is_domain_connection",
        "tenant.resource_parameter_profile",
        "tenant.flags.enable_dynamic_client_registration",
        "tenant.oidc_logout.rp_logout_end_session_endpoint_discovery",
        "http://localhost:9000/.well-known/jwks.json",
    ):
        assert part in page


def test_every_setting_of_the_tenant_has_a_text() -> None:
    assert {f"setting.{name}" for name in vars(TenantSettings())} <= texts("en").keys()


def test_the_console_is_also_in_japanese(tenant: Any) -> None:
    tenant.tokens()
    page = console(tenant, **{"Accept-Language": "ja"}).text
    assert '<html lang="ja">' in page
    assert "ログイン" in page
    assert "アプリケーションがコードをトークンに交換する" in page


def test_a_sign_in_is_shown_from_discovery_to_the_call_of_the_api(tenant: Any) -> None:
    tenant.http.get("/.well-known/openid-configuration")
    redirect = tenant.authorize()
    tenant.http.get(redirect.headers["location"])
    tenant.log_in(redirect, password="wrong")
    consent = tenant.follow(tenant.log_in(redirect))
    tenant.http.get(consent.headers["location"])
    code = tenant.callback_parameters(tenant.follow(tenant.decide(consent)))["code"]
    tenant.redeem(code)
    tenant.http.get("/.well-known/jwks.json")
    assert messages(tenant) == [
        "client tenant: The application looks up the tenant's addresses",
        "client browser: The application opens the browser",
        "browser tenant: The browser asks for a sign-in",
        "browser tenant: The tenant shows its login page",
        "browser tenant: The user sends a wrong email or password",
        "browser tenant: The user sends email and password",
        "browser tenant: The sign-in continues",
        "browser tenant: The tenant asks for consent",
        "browser tenant: The user agrees",
        "browser tenant: The sign-in continues",
        "browser client: The browser delivers a code to the application",
        "client tenant: The application exchanges the code for tokens",
        "server tenant: The API server fetches the tenant's public keys",
        "client server: The application calls the API",
    ]
    assert headlines(tenant) == ["alice@example.com signs in to Gatehouse agent: worked"]


def test_a_sign_up_is_shown_with_the_new_user(tenant: Any) -> None:
    location = tenant.authorize(screen_hint="signup").headers["location"]
    tenant.http.get(location)
    form = {"state": location.partition("state=")[2], "email": "carol@example.com", "password": "Carol-Password-1"}
    tenant.http.post(location, data=form)
    assert headlines(tenant) == ["carol@example.com signs in to Gatehouse agent: waiting"]
    assert messages(tenant)[-2:] == [
        "browser tenant: The tenant shows its sign-up page",
        "browser tenant: The user creates an account",
    ]
    assert "Carol-Password-1" not in console(tenant).text


def test_a_question_without_a_person_belongs_to_the_sign_in_that_follows(tenant: Any) -> None:
    tenant.authorize(prompt="none")
    tenant.tokens()
    shown = messages(tenant)
    assert shown[0] == "client tenant: The application asks whether a sign-in can succeed"
    assert "browser client: The browser delivers a code to the application" in shown
    assert headlines(tenant) == ["alice@example.com signs in to Gatehouse agent: worked"]


def test_a_refused_question_is_shown_by_itself(tenant: Any) -> None:
    tenant.authorize(prompt="none", audience="urn:other")
    assert len(headlines(tenant)) == 1


def test_discovery_before_a_key_request_belongs_to_the_server(tenant: Any) -> None:
    for _ in range(2):
        tenant.http.get("/.well-known/oauth-authorization-server")
    tenant.http.get("/.well-known/openid-configuration")
    tenant.http.get("/.well-known/jwks.json")
    tenant.authorize()
    assert messages(tenant)[:3] == [
        "client tenant: The application looks up the tenant's addresses (2 times)",
        "server tenant: The API server looks up the tenant's addresses",
        "server tenant: The API server fetches the tenant's public keys",
    ]


def test_simultaneous_sign_ins_are_separate(tenant: Any) -> None:
    bob = tenant.browser()
    sign_ins = [(tenant, "alice@example.com", tenant.authorize()), (bob, "bob@example.com", bob.authorize())]
    consents = [(one, one.follow(one.log_in(redirect, email))) for one, email, redirect in sign_ins]
    codes = [one.callback_parameters(one.follow(one.decide(consent)))["code"] for one, consent in consents]
    for code in reversed(codes):
        tenant.redeem(code)
    assert headlines(tenant) == [
        "bob@example.com signs in to Gatehouse agent: surprising",
        "alice@example.com signs in to Gatehouse agent: worked",
    ]


def test_refresh_and_revocation_belong_to_their_sign_in(tenant: Any) -> None:
    tokens = tenant.tokens(scope="openid access:mcp offline_access")
    tenant.token(grant_type="refresh_token", refresh_token=tokens["refresh_token"])
    tenant.http.post("/oauth/revoke", data={"client_id": tenant.agent[0], "token": tokens["refresh_token"]})
    titles = messages(tenant)
    assert "client tenant: The application gets new tokens" in titles
    assert len(headlines(tenant)) == 1


def test_repeated_requests_of_a_device_are_one_sign_in(start: Any) -> None:
    def television(file: dict[str, Any]) -> None:
        file["clients"].append({"name": "Television", "app_type": "native", "grant_types": [DEVICE]})
        file["databases"][0]["enabled_clients"].append("Television")

    tenant = start(television)
    client_id = next(c.client_id for c in tenant.idp.tenant.clients.values() if c.name == "Television")
    form = {"client_id": client_id, "scope": "access:mcp", "audience": API}
    device = tenant.http.post("/oauth/device/code", data=form).json()
    poll = {"client_id": client_id, "grant_type": DEVICE, "device_code": device["device_code"]}
    for _ in range(3):
        tenant.http.post("/oauth/token", data=poll)
        tenant.idp.clock.shift(tenant.idp.clock.setting.offset + 6)
    assert headlines(tenant) == ["The device Television requests a connection: waiting"]
    assert device["user_code"] not in console(tenant).text
    assert device["device_code"] not in console(tenant).text
    assert "(3 times)" in console(tenant).text
    typed = {"user_code": device["user_code"].lower()}
    redirect = tenant.follow(tenant.http.post("/activate", data=typed))
    tenant.follow(tenant.decide(tenant.follow(tenant.log_in(redirect))))
    tenant.http.post("/oauth/token", data=poll)
    assert headlines(tenant) == ["alice@example.com connects the device Television: worked"]


def test_a_sign_in_without_a_user_is_shown(tenant: Any) -> None:
    tenant.token(tenant.machine, grant_type="client_credentials", audience=API)
    assert headlines(tenant) == ["Gatehouse machine gets its own token, without a user: worked"]


@pytest.mark.parametrize(
    ("change", "request_changes", "words"),
    [
        ({}, {"client_id": "nobody"}, "The tenant has no application with the id"),
        (
            {},
            {"redirect_uri": "http://localhost:5000/callback/"},
            "Auth0 compares callback URLs character by character",
        ),
        ({}, {"audience": f"{API}/"}, "Auth0 compares API identifiers character by character"),
        ({}, {"prompt": "none"}, "nobody is signed in here"),
    ],
)
def test_a_failed_sign_in_is_explained_if_only_the_application_gets_the_error(
    tenant: Any, change: Any, request_changes: dict[str, Any], words: str
) -> None:
    tenant.authorize(**request_changes)
    assert headlines(tenant)[0].endswith(": failed")
    assert words in console(tenant).text


def test_a_refused_exchange_is_explained(tenant: Any) -> None:
    tenant.redeem(tenant.sign_in()["code"], code_verifier="w" * 43)
    assert headlines(tenant) == ["alice@example.com signs in to Gatehouse agent: failed"]
    assert "PKCE: the hash of" in console(tenant).text
    tenant.token((tenant.agent[0], "wrong"), grant_type="refresh_token", refresh_token="x")
    assert "could not authenticate" in console(tenant).text


@pytest.mark.parametrize(
    ("preset", "changes", "words"),
    [
        ("opaque-token", {"audience": None, "resource": API}, "The tenant ignores <code>resource</code>"),
        ("role-missing", {"scope": "access:mcp"}, "the token grants nothing at the API"),
        ("hs256-api", {}, "The API signs with HS256"),
    ],
)
def test_unusable_tokens_are_explained(tenant: Any, preset: str, changes: dict[str, Any], words: str) -> None:
    tenant.http.post(f"/__mock__/presets/{preset}")
    tenant.tokens(**changes)
    assert headlines(tenant)[0].endswith(": surprising")
    assert words in console(tenant).text


def test_a_refused_registration_is_explained(start: Any) -> None:
    tenant = start(lambda file: file["tenant"].update(flags={"enable_dynamic_client_registration": False}))
    tenant.http.post("/oidc/register", json={"redirect_uris": ["http://localhost:1/cb"]})
    assert "the tenant does not allow registration" in console(tenant).text


def test_the_log_explains_auth0s_codes(tenant: Any) -> None:
    tenant.log_in(tenant.authorize(), password="wrong")
    page = console(tenant, "log").text
    assert "<code>fp</code>" in page
    assert "Wrong password" in page


def with_par(start: Any) -> Any:
    return start(lambda file: file["tenant"].update(pushed_authorization_requests_supported=True))


def push(tenant: Any, **changes: str) -> Any:
    form = {"client_id": tenant.agent[0], "client_secret": tenant.agent[1], "response_type": "code"}
    form |= {"redirect_uri": CALLBACK, "code_challenge": CHALLENGE, "code_challenge_method": "S256", **changes}
    return tenant.http.post("/oauth/par", data=form)


def test_a_pushed_request_is_the_first_step_of_its_sign_in(start: Any) -> None:
    tenant = with_par(start)
    first, second = (push(tenant, state=f"s-{number}").json()["request_uri"] for number in range(2))
    for uri in (first, second):
        tenant.http.get("/authorize", params={"client_id": tenant.agent[0], "request_uri": uri})
    assert len(headlines(tenant)) == 2
    assert messages(tenant)[:3] == [
        "client tenant: The application sends its request ahead",
        "client browser: The application opens the browser",
        "browser tenant: The browser asks for a sign-in",
    ]


def test_a_refused_pushed_request_is_shown_by_itself(start: Any) -> None:
    tenant = with_par(start)
    assert push(tenant, response_type="token").status_code == 400
    assert [headline.rpartition(": ")[2] for headline in headlines(tenant)] == ["failed"]
