"""The claim `picture`, with Auth0's default for a user who has none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.mock_idp.conftest import API, Harness
from tests.mock_idp.management.test_management import DEPLOY, as_client

Start = Callable[..., Harness]
RECORDED = "https://s.gravatar.com/avatar/{}?s=480&r=pg&d=https%3A%2F%2Fcdn.auth0.com%2Favatars%2F{}.png"


def claims_of(tenant: Harness, scope: str = "openid profile", **changes: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The claims of the ID token and of /userinfo."""
    tokens = tenant.browser().tokens(scope=scope, audience=API, **changes)
    answer = tenant.http.get("/userinfo", headers={"Authorization": f"Bearer {tokens['access_token']}"})
    return tenant.claims(tokens["id_token"]), answer.json()


def as_user(**members: Any) -> Callable[[dict[str, Any]], None]:
    """Change alice, who keeps her password."""
    return lambda file: file["users"][0].update(members)


@pytest.mark.parametrize(
    ("members", "digest", "letters"),
    [
        # The digest is that of alice@example.com.
        ({}, "c160f8cc69a4f0bf2b0362752353d060", "aa"),
        ({"name": None}, "c160f8cc69a4f0bf2b0362752353d060", "al"),
        ({"name": "Alice"}, "c160f8cc69a4f0bf2b0362752353d060", "al"),
        ({"name": "Alice Pleasance Liddell"}, "c160f8cc69a4f0bf2b0362752353d060", "al"),
        ({"name": "アリス"}, "c160f8cc69a4f0bf2b0362752353d060", "al"),
    ],
)
def test_a_user_without_a_picture_has_auth0s_default(
    start: Start, members: dict[str, Any], digest: str, letters: str
) -> None:
    for claims in claims_of(start(offline=as_user(**members))):
        assert claims["picture"] == RECORDED.format(digest, letters)


def test_the_default_is_that_of_a_recording_of_a_real_tenant(start: Start) -> None:
    """The recording: go-auth0, test/data/recordings/authentication/TestUserInfo.yaml."""
    user = {"email": "test-user@example.com", "password": "x"}
    tenant = start(offline=lambda file: file.update(management_clients=[DEPLOY], users=[user]))
    (shown,) = as_client(tenant, DEPLOY)("GET", "users-by-email", email="test-user@example.com").json()
    assert shown["picture"] == RECORDED.format("3664adb7d1eea0bd7d0b134577663889", "te")


def test_a_stated_picture_stays(start: Start) -> None:
    own = "https://example.com/alice.png"
    for claims in claims_of(start(offline=as_user(picture=own))):
        assert claims["picture"] == own


def test_the_scope_picture_alone_gives_the_claim_and_no_scope_gives_none(start: Start) -> None:
    tenant = start()
    for claims in claims_of(tenant, "openid picture"):
        assert "picture" in claims
        assert "name" not in claims
    for claims in claims_of(tenant, "openid email"):
        assert "picture" not in claims


def test_the_management_api_shows_the_same_picture(start: Start) -> None:
    tenant = start(offline=lambda file: file.update(management_clients=[DEPLOY]))
    (user,) = as_client(tenant, DEPLOY)("GET", "users-by-email", email="alice@example.com").json()
    assert user["picture"] == claims_of(tenant)[0]["picture"]
