from __future__ import annotations

from typing import Any

import pytest

REFUSED = {"error": "invalid_grant", "error_description": "Unknown or invalid refresh token."}
SCOPE = "openid access:mcp offline_access"


def rotating(leeway: int = 0, **more: Any) -> Any:
    policy = {"rotation_type": "rotating", "expiration_type": "expiring", "leeway": leeway, **more}
    return lambda file: file["clients"][0].update(refresh_token=policy)


def refresh(tenant: Any, token: str) -> Any:
    return tenant.token(grant_type="refresh_token", refresh_token=token)


def first_token(tenant: Any) -> str:
    token: str = tenant.tokens(scope=SCOPE)["refresh_token"]
    return token


def test_a_token_that_does_not_rotate_can_be_used_again_and_is_not_replaced(tenant: Any) -> None:
    token = first_token(tenant)
    for _ in range(3):
        response = refresh(tenant, token)
        assert response.status_code == 200
        assert "refresh_token" not in response.json()


def test_a_rotating_token_gives_a_new_one_each_time(start: Any) -> None:
    tenant = start(rotating())
    seen = {token := first_token(tenant)}
    for _ in range(3):
        token = refresh(tenant, token).json()["refresh_token"]
        seen.add(token)
    assert len(seen) == 4


def test_reuse_of_a_rotated_token_ends_the_whole_family(start: Any) -> None:
    tenant = start(rotating())
    first = first_token(tenant)
    second = refresh(tenant, first).json()["refresh_token"]
    stolen = refresh(tenant, first)
    assert (stolen.status_code, stolen.json()) == (400, REFUSED)
    assert refresh(tenant, second).json() == REFUSED


def test_reuse_does_not_end_another_sign_in_of_the_same_user(start: Any) -> None:
    tenant = start(rotating())
    first, other = first_token(tenant), first_token(tenant.browser())
    refresh(tenant, first)
    refresh(tenant, first)
    assert refresh(tenant, other).status_code == 200


def test_within_the_leeway_the_previous_token_may_be_sent_again(start: Any) -> None:
    tenant = start(rotating(leeway=10))
    first = first_token(tenant)
    second = refresh(tenant, first).json()["refresh_token"]
    tenant.idp.clock.shift(9)
    again = refresh(tenant, first)
    assert again.status_code == 200
    assert again.json()["refresh_token"] not in (first, second)
    assert refresh(tenant, second).status_code == 200


def test_after_the_leeway_the_previous_token_is_reuse(start: Any) -> None:
    tenant = start(rotating(leeway=10))
    first = first_token(tenant)
    second = refresh(tenant, first).json()["refresh_token"]
    tenant.idp.clock.shift(11)
    assert refresh(tenant, first).json() == REFUSED
    assert refresh(tenant, second).json() == REFUSED


def test_the_token_before_the_previous_one_is_reuse_even_within_the_leeway(start: Any) -> None:
    tenant = start(rotating(leeway=10))
    first = first_token(tenant)
    third = refresh(tenant, refresh(tenant, first).json()["refresh_token"]).json()["refresh_token"]
    assert refresh(tenant, first).json() == REFUSED
    assert refresh(tenant, third).json() == REFUSED


def test_rotation_does_not_extend_the_lifetime(start: Any) -> None:
    tenant = start(rotating(token_lifetime=1000))
    token = refresh(tenant, first_token(tenant)).json()["refresh_token"]
    tenant.idp.clock.shift(990)
    token = refresh(tenant, token).json()["refresh_token"]
    tenant.idp.clock.shift(1001)
    assert refresh(tenant, token).json() == REFUSED


def test_an_unused_token_expires(start: Any) -> None:
    tenant = start(rotating(idle_token_lifetime=100))
    token = first_token(tenant)
    for moment in (90, 180):
        tenant.idp.clock.shift(moment)
        token = refresh(tenant, token).json()["refresh_token"]
    tenant.idp.clock.shift(300)
    assert refresh(tenant, token).json() == REFUSED


def test_a_revoked_token_is_refused_and_can_be_revoked_again(tenant: Any) -> None:
    token = first_token(tenant)
    client = {"client_id": tenant.agent[0], "client_secret": tenant.agent[1]}
    for _ in range(2):
        response = tenant.http.post("/oauth/revoke", json={**client, "token": token})
        assert (response.status_code, response.content) == (200, b"")
    assert refresh(tenant, token).json() == REFUSED


def test_revocation_requires_the_client_and_the_token(tenant: Any) -> None:
    client = {"client_id": tenant.agent[0], "client_secret": tenant.agent[1]}
    assert tenant.http.post("/oauth/revoke", data={**client, "client_secret": "x"}).status_code == 401
    missing = tenant.http.post("/oauth/revoke", data=client)
    assert missing.json() == {"error": "invalid_request", "error_description": "Missing required parameter: token"}


def test_another_clients_token_cannot_be_revoked(tenant: Any) -> None:
    token = first_token(tenant)
    machine = {"client_id": tenant.machine[0], "client_secret": tenant.machine[1], "token": token}
    assert tenant.http.post("/oauth/revoke", data=machine).status_code == 400
    assert refresh(tenant, token).status_code == 200


@pytest.mark.parametrize(("whole_grant", "status"), [(False, 200), (True, 400)])
def test_revocation_can_end_the_whole_grant(start: Any, whole_grant: bool, status: int) -> None:
    tenant = start(lambda file: file["tenant"].update(flags={"revoke_refresh_token_grant": whole_grant}))
    first, other = first_token(tenant), first_token(tenant.browser())
    client = {"client_id": tenant.agent[0], "client_secret": tenant.agent[1]}
    assert tenant.http.post("/oauth/revoke", data={**client, "token": first}).status_code == 200
    assert refresh(tenant, other).status_code == status
