"""The sign-up page, and what asks for it."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from mock_idp.state.users import MAX_EMAIL, MAX_NEW_USERS
from mock_idp.tenant.model import User

CAROL = "carol@example.com"


def options(**options: Any) -> Any:
    return lambda file: file["databases"][0].update(options=options)


def page_of(response: Any) -> str:
    return urlsplit(response.headers["location"]).path


def sign_up(tenant: Any, response: Any, email: str = CAROL, password: str = "Carol-Password-1") -> Any:
    location = response.headers["location"]
    form = {"state": parse_qs(urlsplit(location).query)["state"][0], "email": email, "password": password}
    return tenant.http.post(location.replace("/u/login", "/u/signup"), data={**form, "action": "default"})


def logged(tenant: Any) -> list[str]:
    return [event.type for event in tenant.idp.log.events]


@pytest.mark.parametrize("changes", [{"screen_hint": "signup"}, {"prompt": "create"}])
def test_a_request_for_the_sign_up_page_creates_a_user_who_is_signed_in(tenant: Any, changes: dict[str, str]) -> None:
    redirect = tenant.authorize(**changes)
    assert page_of(redirect) == "/u/signup"
    page = tenant.http.get(redirect.headers["location"])
    assert "Sign up to" in page.text
    consent = tenant.follow(sign_up(tenant, redirect))
    code = tenant.callback_parameters(tenant.follow(tenant.decide(consent)))["code"]
    claims = tenant.claims(tenant.redeem(code).json()["id_token"])
    assert (claims["email"], claims["email_verified"]) == (CAROL, False)
    assert claims["sub"].startswith("auth0|")
    assert "ss" in logged(tenant)
    again = tenant.browser()
    assert page_of(again.log_in(again.authorize(), CAROL, "Carol-Password-1")) == "/authorize/resume"


def test_the_login_page_leads_to_the_sign_up_page_and_back(tenant: Any) -> None:
    redirect = tenant.authorize(login_hint=CAROL)
    location = redirect.headers["location"]
    state = urlsplit(location).query
    assert f'href="/u/signup?{state}"' in tenant.http.get(location).text
    page = tenant.http.get(f"/u/signup?{state}").text
    assert f'href="/u/login?{state}"' in page
    assert f'value="{CAROL}"' in page
    assert page_of(sign_up(tenant, redirect)) == "/authorize/resume"


def test_a_session_needs_no_sign_up_unless_the_prompt_asks_for_it(tenant: Any) -> None:
    tenant.sign_in()
    assert page_of(tenant.authorize(screen_hint="signup")) == "/u/consent"
    assert page_of(tenant.authorize(screen_hint="signup", prompt="login")) == "/u/signup"
    assert page_of(tenant.authorize(prompt="create")) == "/u/signup"


def test_a_database_with_sign_ups_off_refuses_in_auth0s_words(start: Any) -> None:
    tenant = start(options(disable_signup=True))
    for changes in ({"screen_hint": "signup"}, {"prompt": "create"}):
        answer = tenant.callback_parameters(tenant.authorize(**changes))
        assert (answer["error"], answer["error_description"]) == ("invalid_request", "signup is disabled")
        assert answer["state"] == "s-1"
    redirect = tenant.authorize()
    assert "/u/signup" not in tenant.http.get(redirect.headers["location"]).text
    answer = tenant.callback_parameters(sign_up(tenant, redirect))
    assert answer["error_description"] == "signup is disabled"
    assert tenant.idp.tenant.user_by_email(CAROL) is None


def test_the_connection_of_the_request_decides(start: Any) -> None:
    def change(file: dict[str, Any]) -> None:
        options(disable_signup=True)(file)
        file["databases"].append({"name": "Open", "strategy": "auth0", "enabled_clients": ["Gatehouse agent"]})

    tenant = start(change)
    assert page_of(tenant.authorize(screen_hint="signup")) == "/u/signup"
    assert page_of(tenant.authorize(screen_hint="signup", connection="Open")) == "/u/signup"
    closed = tenant.authorize(screen_hint="signup", connection="Username-Password-Authentication")
    assert tenant.callback_parameters(closed)["error_description"] == "signup is disabled"


@pytest.mark.parametrize(
    ("email", "password", "words"),
    [
        ("", "Carol-Password-1", "Please enter an email address"),
        ("carol", "Carol-Password-1", "Email is not valid."),
        ("carol@@example.com", "Carol-Password-1", "Email is not valid."),
        ("carol @example.com", "Carol-Password-1", "Email is not valid."),
        (f"{'c' * MAX_EMAIL}@example.com", "Carol-Password-1", "Email is not valid."),
        ("ALICE@example.com ", "Carol-Password-1", "The user already exists."),
        (CAROL, "", "Password is required"),
        (CAROL, "Short-1", "The password is too weak"),
        (CAROL, "gatehouse-Password-1", "The password is too common"),
        (CAROL, "xx-Carol-1-xx", "Password contains user information"),
    ],
)
def test_a_refused_sign_up_says_why_on_the_same_page(start: Any, email: str, password: str, words: str) -> None:
    tenant = start(
        options(
            passwordPolicy="good",
            password_dictionary={"enable": True, "dictionary": ["gatehouse-password-1"]},
            password_no_personal_info={"enable": True},
        )
    )
    page = sign_up(tenant, tenant.authorize(screen_hint="signup"), email, password)
    assert page.status_code == 400
    assert words in page.text
    assert 'role="alert"' in page.text
    assert tenant.idp.tenant.user_by_email(CAROL) is None
    assert logged(tenant)[-1] == "fs"
    if password:
        assert f'value="{password}"' not in page.text


def test_the_page_shows_the_rules_for_passwords(start: Any) -> None:
    tenant = start(options(passwordPolicy="excellent"))
    page = tenant.http.get(tenant.authorize(screen_hint="signup").headers["location"]).text
    for words in (
        "At least 10 characters",
        "At least 3 of these 4 types",
        "Upper case letters",
        "not <code>aaa</code>",
    ):
        assert words in page


def test_a_form_from_another_browser_creates_nobody(tenant: Any) -> None:
    response = sign_up(tenant.browser(), tenant.authorize(screen_hint="signup"))
    assert response.status_code == 400
    assert tenant.idp.tenant.user_by_email(CAROL) is None


def test_a_hostile_address_is_shown_as_text(tenant: Any) -> None:
    hostile = '"><img/src=x/onerror=alert(1)>@example.com'
    page = sign_up(tenant, tenant.authorize(screen_hint="signup"), hostile, "")
    assert "<img/src" not in page.text


def test_the_number_of_new_users_is_limited(tenant: Any) -> None:
    users = tenant.idp.tenant.users
    for number in range(MAX_NEW_USERS):
        user = User(email=f"u{number}@example.com", password="Password-1")
        users[user.user_id] = user
    page = sign_up(tenant, tenant.authorize(screen_hint="signup"))
    assert page.status_code == 400
    assert "Too many signups" in page.text


def test_a_device_can_be_connected_with_a_new_account(start: Any) -> None:
    grant = "urn:ietf:params:oauth:grant-type:device_code"

    def television(file: dict[str, Any]) -> None:
        file["clients"].append({"name": "Television", "app_type": "native", "grant_types": [grant]})
        file["databases"][0]["enabled_clients"].append("Television")

    tenant = start(television)
    client_id = next(c.client_id for c in tenant.idp.tenant.clients.values() if c.name == "Television")
    device = tenant.http.post("/oauth/device/code", data={"client_id": client_id, "scope": "openid"}).json()
    redirect = tenant.follow(tenant.http.post("/activate", data={"user_code": device["user_code"]}))
    connected = tenant.follow(tenant.decide(tenant.follow(sign_up(tenant, redirect))))
    assert "Your device is now connected" in connected.text


def test_the_post_login_rules_hold_for_a_new_user(start: Any) -> None:
    def change(file: dict[str, Any]) -> None:
        database = {"name": "Username-Password-Authentication"}
        file["organizations"] = [{"name": "acme", "connections": [database]}]
        file["clients"][0]["organization_usage"] = "require"

    tenant = start(change, lambda file: file.update(organizations={"acme": {"id": "org_acme"}}))
    redirect = tenant.authorize(screen_hint="signup", organization="org_acme")
    answer = tenant.callback_parameters(tenant.follow(sign_up(tenant, redirect)))
    assert answer["error"] == "access_denied"
    assert "is not part of the org_acme organization" in answer["error_description"]
