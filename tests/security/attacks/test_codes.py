"""Attacks on authorization codes and refresh tokens: theft, injection, replay, PKCE downgrade (RFC 9700 section 4)."""

from __future__ import annotations

import httpx2
import pytest

from tests.security.attacks.browser import INSPECTOR, Browser
from tests.support.stack import LocalStack

INSPECTOR_CALLBACK = "http://localhost:6274/oauth/callback"
STOLEN: dict[str, dict[str, str | None]] = {
    "without a verifier": {"code_verifier": None},
    "with an empty verifier": {"code_verifier": ""},
    "with a verifier of the thief": {"code_verifier": "t" * 43},
    "with two verifiers in one": {"code_verifier": "t" * 43 + " " + "t" * 43},
    "by another client": {"client_id": INSPECTOR, "client_secret": None},
    "by another client with its callback": {
        "client_id": INSPECTOR,
        "client_secret": None,
        "redirect_uri": INSPECTOR_CALLBACK,
    },
    "with another callback": {"redirect_uri": "https://evil.example.com/callback"},
    "without the callback": {"redirect_uri": None},
    "with a guessed secret": {"client_secret": "guess"},
    "without the secret": {"client_secret": None},
}


def refused(answer: httpx2.Response) -> bool:
    """Whether the token endpoint gave no token."""
    assert answer.status_code in (400, 401, 403), answer.text
    return "error" in answer.json() and "access_token" not in answer.json()


@pytest.mark.parametrize("how", STOLEN)
def test_a_stolen_code_gives_the_thief_no_token(tenant: LocalStack, how: str) -> None:
    victim = Browser(tenant)
    assert refused(victim.redeem(victim.sign_in()["code"], **STOLEN[how]))


def test_the_challenge_is_no_verifier(tenant: LocalStack) -> None:
    victim = Browser(tenant)
    sent = victim.request()["code_challenge"]
    assert refused(victim.redeem(victim.sign_in()["code"], code_verifier=sent))


def test_a_wrong_verifier_uses_the_code_up(tenant: LocalStack) -> None:
    """Otherwise an attacker could try again and again."""
    victim = Browser(tenant)
    code = victim.sign_in()["code"]
    assert refused(victim.redeem(code, code_verifier="t" * 43))
    assert refused(victim.redeem(code))


def test_a_code_of_the_attacker_cannot_be_injected_into_the_sign_in_of_another_person(tenant: LocalStack) -> None:
    attacker, victim = Browser(tenant), Browser(tenant)
    code = attacker.sign_in("bob@example.com")["code"]
    victim.authorize()
    assert refused(victim.redeem(code)), "the code belongs to the attacker's verifier, not to the victim's"


def test_a_code_cannot_be_replayed(tenant: LocalStack) -> None:
    victim = Browser(tenant)
    code = victim.sign_in()["code"]
    assert victim.redeem(code).status_code == 200
    assert refused(victim.redeem(code))


DOWNGRADES: dict[str, dict[str, str | None]] = {
    "the challenge is removed": {"code_challenge": None, "code_challenge_method": None},
    "the challenge is the verifier of the attacker": {"code_challenge": "t" * 43, "code_challenge_method": "plain"},
    "the method is removed": {"code_challenge_method": None},
    "the method is plain": {"code_challenge_method": "plain"},
}


@pytest.mark.parametrize("how", DOWNGRADES)
def test_a_client_that_sends_its_verifier_notices_a_downgrade_of_pkce(tenant: LocalStack, how: str) -> None:
    victim = Browser(tenant)
    assert refused(victim.redeem(victim.sign_in(**DOWNGRADES[how])["code"]))


@pytest.mark.parametrize(
    "changes",
    [
        {"code_challenge": None},
        {"code_challenge_method": "none"},
        {"code_challenge_method": "S512"},
        {"code_challenge": "short"},
        {"code_challenge": "é" * 43},
    ],
    ids=str,
)
def test_an_incomplete_challenge_is_refused_before_the_person_sees_a_page(
    tenant: LocalStack, changes: dict[str, str | None]
) -> None:
    answer = Browser(tenant).authorize(**changes)
    assert answer.status_code == 302, answer.text
    assert "error=invalid_request" in answer.headers["Location"]
    assert "code=" not in answer.headers["Location"]


def test_a_public_client_cannot_sign_in_without_pkce(tenant: LocalStack) -> None:
    changes = {"client_id": INSPECTOR, "redirect_uri": INSPECTOR_CALLBACK}
    answer = Browser(tenant).authorize(**changes, code_challenge=None, code_challenge_method=None)
    assert answer.status_code == 400
    assert "code_challenge" in answer.text
    assert "Location" not in answer.headers


def test_a_stolen_refresh_token_is_useless_for_another_client(tenant: LocalStack) -> None:
    victim = Browser(tenant)
    stolen = victim.redeem(victim.sign_in()["code"]).json()["refresh_token"]
    assert refused(victim.refresh(stolen, client_id=INSPECTOR))
    assert refused(victim.refresh(stolen, client_id=victim.request()["client_id"])), "the secret is missing"
    assert victim.refresh(stolen).status_code == 200


def test_a_stolen_rotating_refresh_token_ends_for_the_thief_and_its_owner(tenant_reset_after: LocalStack) -> None:
    """The second use, by either of the two, shows that there are two (RFC 9700 section 4.14.2)."""
    stack = tenant_reset_after
    rotating = {"rotation_type": "rotating", "expiration_type": "expiring", "token_lifetime": 3600, "leeway": 0}
    stack.control(
        "PATCH", "configuration", tenant={"clients": [{"name": "Gatehouse agent", "refresh_token": rotating}]}
    )
    victim = Browser(stack)
    stolen = victim.redeem(victim.sign_in()["code"]).json()["refresh_token"]
    newest = victim.refresh(stolen).json()["refresh_token"]
    assert newest != stolen
    assert refused(victim.refresh(stolen))
    assert refused(victim.refresh(newest))
