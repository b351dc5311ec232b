"""Users whom an administrator blocked: no way in, and no token from what they have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.mock_idp.conftest import Harness
from tests.mock_idp.management.test_management import ALICE, DEPLOY, Management, as_client
from tests.mock_idp.oauth.test_device import activate, begin, poll, television
from tests.mock_idp.oauth.test_password import allow_passwords, ask

REFUSED = {"error": "unauthorized", "error_description": "user is blocked"}
SCOPE = "openid access:mcp offline_access"


@pytest.fixture
def management(start: Callable[..., Harness]) -> Management:
    def change(file: dict[str, Any]) -> None:
        allow_passwords(file)
        television(file)

    return as_client(start(change, offline=lambda file: file.update(management_clients=[DEPLOY])), DEPLOY)


def block(management: Management, blocked: bool = True) -> None:
    answer = management("PATCH", f"users/{ALICE}", {"blocked": blocked})
    assert answer.status_code == 200, answer.text
    assert answer.json().get("blocked", False) is blocked


def answer_of(tenant: Harness, response: Any) -> dict[str, str]:
    answer = tenant.callback_parameters(response)
    return {name: answer[name] for name in ("error", "error_description")}


def test_the_right_password_of_a_blocked_user_ends_at_the_callback(management: Management) -> None:
    block(management)
    tenant = management.tenant
    assert answer_of(tenant, tenant.follow(tenant.log_in(tenant.authorize()))) == REFUSED
    event = tenant.idp.log.events[-1]
    assert (event.type, event.description) == ("f", "unauthorized : user is blocked")


def test_a_wrong_password_does_not_tell_that_the_user_is_blocked(management: Management) -> None:
    block(management)
    tenant = management.tenant
    response = tenant.log_in(tenant.authorize(), password="wrong")
    assert response.status_code == 400
    assert "is blocked" not in response.text


def test_a_block_also_ends_silent_sign_in_with_a_session(management: Management) -> None:
    tenant = management.tenant
    tenant.tokens()
    block(management)
    assert answer_of(tenant, tenant.authorize(prompt="none")) == REFUSED


def test_a_client_that_keeps_errors_on_a_page_shows_the_reason(start: Callable[..., Harness]) -> None:
    def protected(file: dict[str, Any]) -> None:
        file["clients"][0]["redirection_policy"] = "open_redirect_protection"

    tenant = start(protected, offline=lambda file: file["users"][0].update(blocked=True))
    page = tenant.follow(tenant.log_in(tenant.authorize()))
    assert "user is blocked" in page.text
    assert "users[].blocked" in page.text


def test_the_refresh_token_of_a_blocked_user_is_refused_and_works_again_after_the_block(management: Management) -> None:
    tenant = management.tenant
    token = tenant.tokens(scope=SCOPE)["refresh_token"]
    block(management)
    refused = tenant.token(grant_type="refresh_token", refresh_token=token)
    assert (refused.status_code, refused.json()) == (
        400,
        {"error": "invalid_grant", "error_description": "user is blocked"},
    )
    assert "users[].blocked" in tenant.http.get("/").text
    block(management, False)
    assert tenant.token(grant_type="refresh_token", refresh_token=token).status_code == 200


def test_a_code_from_before_the_block_gives_no_token(management: Management) -> None:
    code = management.tenant.sign_in()["code"]
    block(management)
    assert management.tenant.redeem(code).json()["error"] == "invalid_grant"


def test_a_device_of_a_blocked_user_gets_no_token(management: Management) -> None:
    tenant = management.tenant
    codes = begin(tenant).json()
    block(management)
    redirect = tenant.http.post("/activate", data={"user_code": codes["user_code"], "action": "default"})
    page = tenant.follow(tenant.log_in(tenant.follow(redirect)))
    assert "user is blocked" in page.text
    assert poll(tenant, codes["device_code"]).json()["error"] == "authorization_pending"
    block(management, False)
    activate(tenant.browser(), codes["user_code"])
    block(management)
    tenant.idp.clock.shift(10)
    assert poll(tenant, codes["device_code"]).json()["error"] == "invalid_grant"


def test_the_password_grant_of_a_blocked_user_is_refused_only_with_the_right_password(management: Management) -> None:
    block(management)
    refused = ask(management.tenant)
    assert (refused.status_code, refused.json()) == (401, REFUSED)
    assert ask(management.tenant, password="wrong").json()["error_description"] == "Wrong email or password."


def test_a_new_password_ends_the_block(management: Management) -> None:
    block(management)
    answer = management("PATCH", f"users/{ALICE}", {"password": "Looking-Glass-2"})
    assert "blocked" not in answer.json()
    assert ask(management.tenant, password="Looking-Glass-2").status_code == 200


def test_a_user_can_be_created_blocked_and_be_blocked_in_the_offline_file(start: Callable[..., Harness]) -> None:
    def offline(file: dict[str, Any]) -> None:
        file["management_clients"] = [DEPLOY]
        file["users"][0]["blocked"] = True

    management = as_client(start(allow_passwords, offline=offline), DEPLOY)
    assert management("GET", f"users/{ALICE}").json()["blocked"] is True
    body = {"connection": "Username-Password-Authentication", "email": "c@example.com", "password": "x"}
    assert management("POST", "users", {**body, "blocked": True}).json()["blocked"] is True
    for email, password in (("alice@example.com", "Wonderland-1"), ("c@example.com", "x")):
        assert ask(management.tenant, username=email, password=password).json() == REFUSED


def test_the_log_of_a_user_has_the_events_of_this_user_only(management: Management) -> None:
    tenant = management.tenant
    tenant.tokens()
    tenant.browser().tokens("bob@example.com")
    block(management)
    tenant.follow(tenant.log_in(tenant.browser().authorize()))
    events = management("GET", f"users/{ALICE}/logs", per_page=50).json()
    assert {event["user_id"] for event in events} == {ALICE}
    assert {"s", "seacft", "sapi"} <= {event["type"] for event in events}
    assert [event["log_id"] for event in events] == sorted((event["log_id"] for event in events), reverse=True)
    page = management("GET", f"users/{ALICE}/logs", per_page=1, include_totals="true").json()
    assert (len(page["logs"]), page["total"]) == (1, len(events))
    assert management("GET", "users/auth0|nobody/logs").status_code == 404
