"""Sign-up and password reset by their endpoints, without a page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.mock_idp.conftest import Harness
from tests.mock_idp.oauth.test_password import DATABASE, allow_passwords, ask

CAROL = {"email": "carol@example.com", "password": "Carpenter-3"}
SENT = "We've just sent you an email to reset your password."
Start = Callable[..., Harness]


@pytest.fixture
def tenant(start: Start) -> Harness:
    return start(allow_passwords)


def with_options(start: Start, flags: dict[str, Any] | None = None, **options: Any) -> Harness:
    def change(file: dict[str, Any]) -> None:
        allow_passwords(file)
        file["databases"][0]["options"] = options
        file["tenant"]["flags"] = flags or {}

    return start(change)


def sign_up(tenant: Harness, **changes: Any) -> Any:
    body = {"client_id": tenant.agent[0], "connection": DATABASE, **CAROL, **changes}
    return tenant.http.post("/dbconnections/signup", json={k: v for k, v in body.items() if v is not None})


def reset(tenant: Harness, **changes: Any) -> Any:
    body = {"client_id": tenant.agent[0], "connection": DATABASE, "email": "alice@example.com", **changes}
    return tenant.http.post("/dbconnections/change_password", json={k: v for k, v in body.items() if v is not None})


def last_event(tenant: Harness) -> tuple[str, str]:
    event = tenant.idp.log.events[-1]
    return event.type, str(event.details)


def test_a_person_signs_up_and_then_signs_in(tenant: Harness) -> None:
    profile = {"name": "Carol", "given_name": "Carol", "picture": "https://example.com/c.png"}
    response = sign_up(tenant, **profile, user_metadata={"plan": "premium"})
    answer = response.json()
    assert response.status_code == 200, response.text
    user_id = answer.pop("_id")
    assert answer == {"email": "carol@example.com", "email_verified": False, **profile}
    assert last_event(tenant) == ("ss", "The offline tenant sends no mail. The address stays unverified.")
    tokens = ask(tenant, username="carol@example.com", password="Carpenter-3", scope="openid profile email").json()
    claims = tenant.claims(tokens["id_token"])
    assert (claims["sub"], claims["name"], claims["email_verified"]) == (f"auth0|{user_id}", "Carol", False)
    assert tenant.idp.tenant.users[claims["sub"]].user_metadata == {"plan": "premium"}
    assert tenant.follow(tenant.log_in(tenant.authorize(), "carol@example.com", "Carpenter-3")).status_code == 302


def test_a_form_works_like_json(tenant: Harness) -> None:
    form = {"client_id": tenant.agent[0], "connection": DATABASE, **CAROL}
    assert tenant.http.post("/dbconnections/signup", data=form).status_code == 200


def test_a_second_sign_up_does_not_tell_that_the_user_exists_unless_the_tenant_says_so(start: Start) -> None:
    def answer(tenant: Harness) -> dict[str, Any]:
        refused = sign_up(tenant, email="ALICE@example.com")
        assert refused.status_code == 400
        found: dict[str, Any] = refused.json()
        return found

    assert answer(with_options(start)) == {
        "name": "BadRequestError",
        "code": "invalid_signup",
        "description": "Invalid sign up",
        "statusCode": 400,
    }
    told = with_options(start, {"enable_public_signup_user_exists_error": True})
    assert (answer(told)["code"], answer(told)["description"]) == ("user_exists", "The user already exists.")
    assert last_event(told)[0] == "fs"


def test_a_weak_password_is_refused_with_the_rules(start: Start) -> None:
    tenant = with_options(start, passwordPolicy="good")
    refused = sign_up(tenant, password="abcdefg1")
    answer = refused.json()
    assert (refused.status_code, answer["name"], answer["code"]) == (400, "PasswordStrengthError", "invalid_password")
    length, kinds = answer["description"]["rules"]
    assert length == {
        "message": "At least %d characters in length",
        "format": [8],
        "code": "lengthAtLeast",
        "verified": True,
    }
    assert (kinds["code"], kinds["format"], kinds["verified"]) == ("containsAtLeast", [3, 4], False)
    assert [(each["code"], each["verified"]) for each in kinds["items"]] == [
        ("lowerCase", True),
        ("upperCase", False),
        ("numbers", True),
        ("specialCharacters", False),
    ]
    assert answer["policy"].splitlines() == [
        "* At least 8 characters in length",
        "* Contain at least 3 of the following 4 types of characters:",
        " * lower case letters (a-z)",
        " * upper case letters (A-Z)",
        " * numbers (i.e. 0-9)",
        " * special characters (e.g. !@#$%^&*)",
    ]
    assert tenant.idp.tenant.user_by_email("carol@example.com") is None


def test_other_rules_of_the_policy_have_their_own_names(start: Start) -> None:
    tenant = with_options(start, password_no_personal_info={"enable": True})
    answer = sign_up(tenant, password="about-carol").json()
    assert answer["name"] == "PasswordNoUserInfoError"
    assert (answer["code"], answer["description"]) == ("invalid_password", "Password contains user information")


def test_a_database_without_sign_up_refuses_it(start: Start) -> None:
    refused = sign_up(with_options(start, disable_signup=True))
    assert (refused.status_code, refused.json()["description"]) == (400, "public signup is disabled")


@pytest.mark.parametrize(
    "changes",
    [
        {"email": None},
        {"password": None},
        {"password": ""},
        {"connection": None},
        {"connection": "Nowhere"},
        {"client_id": "nobody"},
        {"email": "no-address"},
        {"email": "a b@example.com"},
        {"email": "a@example.com\n"},
        {"email": f"{'a' * 320}@example.com"},
        {"email": ["a@example.com"]},
        {"password": {"$ne": ""}},
        {"username": "carol"},
        {"phone_number": "+491234"},
        {"user_metadata": "text"},
        {"user_metadata": {str(number): "x" for number in range(11)}},
        {"user_metadata": {"n" * 101: "x"}},
        {"user_metadata": {"n": "x" * 501}},
        {"user_metadata": {"n": {"deep": 1}}},
    ],
)
def test_a_wrong_sign_up_is_refused_and_creates_nobody(tenant: Harness, changes: dict[str, Any]) -> None:
    before = set(tenant.idp.tenant.users)
    assert sign_up(tenant, **changes).status_code == 400
    assert set(tenant.idp.tenant.users) == before
    assert last_event(tenant)[0] == "fs"


def test_a_client_without_the_database_cannot_sign_anybody_up(tenant: Harness) -> None:
    assert sign_up(tenant, client_id=tenant.machine[0]).status_code == 400
    assert sign_up(tenant, client_id=None).status_code == 200


def test_no_member_that_only_an_administrator_has_can_be_signed_up(tenant: Harness) -> None:
    extra = {
        "email_verified": "true",
        "app_metadata": "x",
        "user_id": "auth0|root",
        "roles": "mcp-user",
        "blocked": "1",
    }
    assert sign_up(tenant, **extra).status_code == 200
    user = tenant.idp.tenant.user_by_email("carol@example.com")
    assert user is not None
    assert (user.email_verified, user.app_metadata, user.roles) == (False, None, [])
    assert user.user_id != "auth0|root"


def test_people_cannot_create_accounts_without_end(tenant: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mock_idp.state.users.MAX_NEW_USERS", 2)
    assert [sign_up(tenant, email=f"u{number}@example.com").status_code for number in range(3)] == [200, 200, 429]


def test_a_body_that_is_no_object_is_refused(tenant: Harness) -> None:
    for path in ("/dbconnections/signup", "/dbconnections/change_password"):
        assert tenant.http.post(path, json=["x"]).status_code == 400


@pytest.mark.parametrize("email", ["alice@example.com", "nobody@example.com"])
def test_a_password_reset_answers_the_same_for_everybody_and_sends_nothing(tenant: Harness, email: str) -> None:
    response = reset(tenant, email=email)
    assert (response.status_code, response.text) == (200, SENT)
    assert response.headers["content-type"].startswith("text/html")
    kind, details = last_event(tenant)
    assert kind == "scpr"
    assert details.startswith("The offline tenant sends no mail. ")
    assert ("PATCH /api/v2/users/auth0|" in details) is (email == "alice@example.com")
    assert ask(tenant).status_code == 200


def test_a_wrong_password_reset_is_refused(start: Start) -> None:
    tenant = with_options(start, disable_self_service_change_password=True)
    assert reset(tenant).status_code == 400
    for changes in ({"email": None}, {"connection": None}, {"connection": "Nowhere"}, {"client_id": "nobody"}):
        assert reset(tenant, **changes).status_code == 400
        assert last_event(tenant)[0] == "fcpr"


def test_only_pages_of_the_client_may_read_the_answers(tenant: Harness) -> None:
    for path in ("/dbconnections/signup", "/dbconnections/change_password"):
        for origin, allowed in (("http://localhost:5000", True), ("https://evil.example", False)):
            body = {"client_id": tenant.agent[0], "connection": DATABASE, **CAROL}
            answer = tenant.http.post(path, json=body, headers={"Origin": origin})
            assert ("access-control-allow-origin" in answer.headers) is allowed


def test_no_password_is_in_the_journal_or_the_log(tenant: Harness) -> None:
    sign_up(tenant)
    shown = tenant.http.get("/__mock__/requests").text + tenant.http.get("/__mock__/log").text
    assert "carol@example.com" in shown
    assert "Carpenter-3" not in shown
