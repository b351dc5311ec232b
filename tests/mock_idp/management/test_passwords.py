"""The password policy of a database, as the Management API enforces it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mock_idp.tenant.not_played import not_played
from tests.mock_idp.conftest import Harness
from tests.mock_idp.management.test_management import ALICE, DEPLOY, Management, as_client, refused

DATABASE = "Username-Password-Authentication"
WEAK = "PasswordStrengthError: Password is too weak"
COMMON = "PasswordDictionaryError: Password is too common"
PERSONAL = "PasswordNoUserInfoError: Password contains user information"
USED = "PasswordHistoryError: Password has previously been used"


@pytest.fixture
def managed(start: Callable[..., Harness]) -> Callable[..., Management]:
    def managed(**options: Any) -> Management:
        tenant = start(
            lambda file: file["databases"][0].update(options=options),
            offline=lambda file: file.update(management_clients=[DEPLOY]),
        )
        return as_client(tenant, DEPLOY)

    return managed


def create(management: Management, password: str, **more: Any) -> Any:
    body = {"connection": DATABASE, "email": "carol@example.com", "password": password, **more}
    return management("POST", "users", body)


@pytest.mark.parametrize(
    ("options", "password", "message"),
    [
        ({"passwordPolicy": "low"}, "12345", WEAK),
        ({"passwordPolicy": "low"}, "123456", None),
        ({"passwordPolicy": "fair"}, "abcdefgh1", WEAK),
        ({"passwordPolicy": "fair"}, "Abcdefgh1", None),
        ({"passwordPolicy": "good"}, "abcdefg1", WEAK),
        ({"passwordPolicy": "good"}, "abcdef1!", None),
        ({"passwordPolicy": "good"}, "Abc1!", WEAK),
        ({"passwordPolicy": "excellent"}, "Abcccdefg1!", WEAK),
        ({"passwordPolicy": "excellent"}, "Abccdefgh1!", None),
        ({"passwordPolicy": "good", "password_complexity_options": {"min_length": 12}}, "Abcdefgh1!", WEAK),
        ({"passwordPolicy": "good", "password_complexity_options": {"min_length": 4}}, "Ab1!", None),
        ({"password_dictionary": {"enable": True, "dictionary": ["Gatehouse"]}}, "gateHOUSE", COMMON),
        ({"password_dictionary": {"enable": False, "dictionary": ["Gatehouse"]}}, "gatehouse", None),
        ({"password_no_personal_info": {"enable": True}}, "its-CAROL-again", PERSONAL),
        ({"password_no_personal_info": {"enable": True}}, "its-cara-again", None),
        ({"password_options": {"complexity": {"min_length": 3, "sequential_characters": "block"}}}, "xcbaz", WEAK),
        ({"password_options": {"complexity": {"min_length": 3, "sequential_characters": "block"}}}, "xabyz", None),
        ({"password_options": {"complexity": {"identical_characters": "block"}}}, "x000y", WEAK),
        ({"password_options": {"complexity": {"character_types": ["number", "special"]}}}, "abc1", WEAK),
        ({"password_options": {"complexity": {"character_types": ["number", "special"]}}}, "abc1!", None),
        ({"password_options": {"complexity": {"character_type_rule": "three_of_four"}}}, "abC1", None),
        ({"password_options": {"complexity": {"max_length_exceeded": "error"}}}, "é" * 37, WEAK),
        ({"passwordPolicy": "excellent", "password_options": {}}, "a", None),
        ({"password_options": {"dictionary": {"active": True, "custom": ["Hello"]}}}, "hello", COMMON),
        ({"password_options": {"profile_data": {"active": True, "blocked_fields": ["nickname"]}}}, "CC-top", PERSONAL),
        ({}, "a", None),
    ],
)
def test_a_new_user_needs_a_password_that_the_policy_allows(
    managed: Any, options: dict[str, Any], password: str, message: str | None
) -> None:
    management = managed(**options)
    response = create(management, password, nickname="cc")
    if message is None:
        assert response.status_code == 201, response.text
    else:
        assert refused(response, 400, "auth0_idp_error") == message
        assert management("GET", "users-by-email", email="carol@example.com").json() == []


def test_the_log_names_the_rules_and_no_password(managed: Any) -> None:
    management = managed(passwordPolicy="good")
    create(management, "hunter2")
    event = management.tenant.idp.log.events[-1]
    assert "At least 8 characters in length" in str(event.details)
    assert "hunter2" not in repr(event)


def test_a_changed_password_also_needs_the_policy_and_counts_at_the_next_sign_in(managed: Any) -> None:
    management = managed(passwordPolicy="good")
    assert refused(management("PATCH", f"users/{ALICE}", {"password": "a"}), 400, "auth0_idp_error") == WEAK
    assert management("PATCH", f"users/{ALICE}", {"password": "Looking-Glass-2"}).status_code == 200
    tenant = management.tenant
    login = tenant.authorize()
    assert tenant.log_in(login).status_code == 400
    assert tenant.log_in(login, password="Looking-Glass-2").status_code == 302


def test_passwords_of_the_history_cannot_come_back(managed: Any) -> None:
    management = managed(password_history={"enable": True, "size": 2})

    def change(password: str) -> Any:
        return management("PATCH", f"users/{ALICE}", {"password": password})

    assert refused(change("Wonderland-1"), 400, "auth0_idp_error") == USED
    assert change("second").status_code == 200
    assert refused(change("Wonderland-1"), 400, "auth0_idp_error") == USED
    assert change("third").status_code == 200
    assert change("Wonderland-1").status_code == 200
    assert refused(change("third"), 400, "auth0_idp_error") == USED


def test_the_built_in_list_of_common_passwords_is_listed_as_not_played(managed: Any) -> None:
    old, new = {"password_dictionary": {"enable": True}}, {"password_options": {"dictionary": {"active": True}}}
    for options in (old, new):
        listed = not_played(managed(**options).tenant.idp.configuration.tenant_file)
        assert [line for line in listed if "the list of common passwords" in line]
    assert not_played(managed(passwordPolicy="good").tenant.idp.configuration.tenant_file) == []


def test_a_member_that_users_do_not_have_here_is_refused_in_words(managed: Any) -> None:
    management = managed()
    for member in ({"username": "carol"}, {"phone_number": "+4915112345678"}, {"phone_verified": True}):
        message = refused(management("PATCH", f"users/{ALICE}", member), 400, "operation_not_supported")
        assert next(iter(member)) in message
