from __future__ import annotations

from typing import Any

import pytest

from mock_idp.tenant.not_played import not_played
from tests.mock_idp.conftest import API

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


CALENDAR = "https://calendar.example/"


def two_apis(policies: list[dict[str, Any]], **api: Any) -> Any:
    """A second API, which has a scope of the same name as the first one, and policies of the client."""

    def change(file: dict[str, Any]) -> None:
        scopes = [{"value": value} for value in ("calendar:read", "calendar:write", "access:mcp")]
        file["resourceServers"].append({"name": "Calendar", "identifier": CALENDAR, "scopes": scopes, **api})
        file["resourceServers"][0]["scopes"].append({"value": "time:read"})
        file["roles"][0]["permissions"].append({"permission_name": "time:read", "resource_server_identifier": API})
        file["clients"][0]["refresh_token"] = {"policies": policies}

    return change


def refreshed(tenant: Any, **more: Any) -> dict[str, Any]:
    response = tenant.token(grant_type="refresh_token", refresh_token=first_token(tenant.browser()), **more)
    assert response.status_code == 200, response.text
    claims: dict[str, Any] = tenant.claims(response.json()["access_token"])
    assert response.json()["scope"] == claims.get("scope", "")
    return claims


def test_a_refresh_for_an_api_of_the_policies_gets_a_token_for_that_api(start: Any) -> None:
    tenant = start(two_apis([{"audience": CALENDAR, "scope": ["calendar:read"]}]))
    claims = refreshed(tenant, audience=CALENDAR)
    assert claims["aud"][0] == CALENDAR
    assert set(claims["scope"].split()) == {"openid", "calendar:read"}


def test_such_a_refresh_gets_no_scope_that_the_policy_lacks(start: Any) -> None:
    tenant = start(two_apis([{"audience": CALENDAR, "scope": ["calendar:read"]}]))
    asked = "calendar:read calendar:write access:mcp nonsense"
    assert refreshed(tenant, audience=CALENDAR, scope=asked)["scope"] == "calendar:read"


def test_roles_also_limit_a_refresh_for_another_api(start: Any) -> None:
    tenant = start(two_apis([{"audience": CALENDAR, "scope": ["calendar:read"]}], enforce_policies=True))
    assert refreshed(tenant, audience=CALENDAR)["scope"] == "openid"


def test_the_refresh_token_serves_both_apis(start: Any) -> None:
    tenant = start(two_apis([{"audience": CALENDAR, "scope": ["calendar:read"]}]))
    token = first_token(tenant)
    for audience in (CALENDAR, API, None, CALENDAR):
        answer = tenant.token(grant_type="refresh_token", refresh_token=token, audience=audience).json()
        assert tenant.claims(answer["access_token"])["aud"][0] == (audience or API)


def test_a_policy_for_the_api_of_the_sign_in_adds_its_scopes(start: Any) -> None:
    tenant = start(two_apis([{"audience": API, "scope": ["time:read"]}]))
    assert set(refreshed(tenant)["scope"].split()) == {"openid", "access:mcp", "offline_access", "time:read"}
    assert refreshed(tenant, scope="time:read")["scope"] == "time:read"


def test_under_the_compatibility_profile_resource_names_the_api_of_a_refresh(start: Any) -> None:
    change = two_apis([{"audience": CALENDAR, "scope": ["calendar:read"]}])
    assert refreshed(start(change), resource=CALENDAR)["aud"][0] == CALENDAR

    def strict(file: dict[str, Any]) -> None:
        change(file)
        file["tenant"]["resource_parameter_profile"] = "audience"

    assert refreshed(start(strict), resource=CALENDAR)["aud"][0] == API


@pytest.mark.parametrize("audience", [CALENDAR, "https://nowhere.example/", "http://localhost:9000/api/v2/"])
def test_an_api_without_a_policy_gets_the_token_of_the_sign_in_and_the_log_says_so(start: Any, audience: str) -> None:
    tenant = start(two_apis([]))
    assert refreshed(tenant, audience=audience)["aud"][0] == API
    assert f"do not allow {audience}" in str(tenant.idp.log.events[-1].details)
    page = tenant.http.get("/").text
    assert "No policy of" in page
    assert audience in page


@pytest.mark.parametrize(
    ("policy", "change", "line"),
    [
        ({"audience": "https://nowhere.example/"}, {}, "there is no resource server https://nowhere.example/"),
        ({"audience": CALENDAR, "scope": ["fly"]}, {}, f"{CALENDAR} has no scope fly"),
        ({"audience": "https://t.eu.auth0.com/api/v2/"}, {}, "cannot have the Management API"),
        ({"audience": CALENDAR}, {"is_first_party": False}, "is a third-party application"),
    ],
)
def test_a_policy_without_an_effect_is_listed_and_does_not_stop_the_start(
    start: Any, policy: dict[str, Any], change: dict[str, Any], line: str
) -> None:
    def policies(file: dict[str, Any]) -> None:
        two_apis([policy])(file)
        file["clients"][0].update(change)

    listed = not_played(start(policies).idp.configuration.tenant_file)
    assert [entry for entry in listed if line in entry and "refresh_token.policies" in entry]


def test_an_api_that_asks_for_consent_gets_no_token_by_a_refresh_for_another_api(start: Any) -> None:
    policies = [{"audience": CALENDAR, "scope": ["calendar:read"]}]
    tenant = start(two_apis(policies, skip_consent_for_verifiable_first_party_clients=False))
    assert refreshed(tenant, audience=CALENDAR)["aud"][0] == API
    assert any("does not skip consent" in line for line in not_played(tenant.idp.configuration.tenant_file))


def test_the_console_shows_the_other_apis_of_an_application(start: Any) -> None:
    tenant = start(two_apis([{"audience": CALENDAR, "scope": ["calendar:read"]}]))
    assert "refresh_token.policies" in tenant.http.get("/?tab=clients").text
    assert "refresh_token.policies" not in start().http.get("/?tab=clients").text
