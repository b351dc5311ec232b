"""Custom claims from `claims:` in offline.yaml."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from mock_idp.oauth.custom_claims import RESERVED
from mock_idp.tenant.loading import ConfigurationError

API = "http://localhost:5555/mcp"
PLAN = "https://gatehouse.example/plan"


def claims(**sections: Any) -> Any:
    return lambda file: file.update(claims=sections)


def for_alice(access_token: dict[str, Any] | None = None, id_token: dict[str, Any] | None = None) -> Any:
    return claims(users={"alice@example.com": {"access_token": access_token or {}, "id_token": id_token or {}}})


def test_each_token_gets_the_claims_that_are_stated_for_it(start: Any) -> None:
    tenant = start(offline=for_alice({PLAN: "gold", "employee_id": 7}, {PLAN: {"name": "gold"}}))
    answer = tenant.tokens()
    access, identity = tenant.claims(answer["access_token"]), tenant.claims(answer["id_token"])
    assert (access[PLAN], access["employee_id"]) == ("gold", 7)
    assert identity[PLAN] == {"name": "gold"}
    assert "employee_id" not in identity


def test_other_users_do_not_get_the_claims(start: Any) -> None:
    tenant = start(offline=for_alice({PLAN: "gold"}))
    assert PLAN not in tenant.claims(tenant.tokens("bob@example.com")["access_token"])


def test_the_claim_of_a_user_overrides_that_of_the_client_and_of_the_api(start: Any) -> None:
    def stated(file: dict[str, Any]) -> None:
        file["claims"] = {
            "apis": {API: {"access_token": {"a": "api", "b": "api", "c": "api"}}},
            "clients": {"Gatehouse agent": {"access_token": {"b": "client", "c": "client"}}},
            "users": {"Alice@Example.com": {"access_token": {"c": "user"}}},
        }

    tenant = start(offline=stated)
    token = tenant.claims(tenant.tokens()["access_token"])
    assert (token["a"], token["b"], token["c"]) == ("api", "client", "user")


def test_a_machine_gets_the_claims_of_its_client_and_of_the_api(start: Any) -> None:
    def stated(file: dict[str, Any]) -> None:
        file["claims"] = {
            "apis": {API: {"access_token": {"tier": "internal"}}},
            "clients": {"Gatehouse machine": {"access_token": {PLAN: "batch"}}},
        }

    tenant = start(offline=stated)
    answer = tenant.token(tenant.machine, grant_type="client_credentials", audience=API)
    token = tenant.claims(answer.json()["access_token"])
    assert (token["tier"], token[PLAN]) == ("internal", "batch")


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_a_reserved_claim_is_never_replaced(start: Any, name: str) -> None:
    tenant = start(offline=for_alice({name: "forged"}, {name: "forged"}))
    answer = tenant.tokens()
    for token in (answer["access_token"], answer["id_token"]):
        assert tenant.claims(token).get(name) != "forged"


@pytest.mark.parametrize(
    "name",
    [
        "https://auth0.com/plan",
        "http://me.eu.auth0.com/x",
        "https://a.webtask.io/x",
        "https://WEBTASK.run/x",
        "urn:auth0:x",
    ],
)
def test_a_namespace_of_auth0_is_dropped_and_said_in_the_log(start: Any, name: str) -> None:
    tenant = start(offline=for_alice({name: 1, "roles": ["admin"], "urn:example:x": 2}, {"sub": "other"}))
    token = tenant.claims(tenant.tokens()["access_token"])
    assert name not in token
    assert token["urn:example:x"] == 2
    details = tenant.idp.log.events[-1].details
    assert f"custom claims that Auth0 does not add: accessToken: {name}, accessToken: roles, idToken: sub" in details


def test_a_profile_claim_may_be_added_to_an_access_token(start: Any) -> None:
    tenant = start(offline=for_alice({"email": "alice@example.com"}))
    assert tenant.claims(tenant.tokens()["access_token"])["email"] == "alice@example.com"


def test_a_management_token_gets_namespaced_claims_only(start: Any) -> None:
    def stated(file: dict[str, Any]) -> None:
        file["claims"] = {"clients": {"Gatehouse machine": {"access_token": {PLAN: 1, "plain": 2}}}}

    def grant(file: dict[str, Any]) -> None:
        granted = {"client_id": "Gatehouse machine", "audience": "https://t.auth0.com/api/v2/", "scope": ["read:users"]}
        file["clientGrants"].append(granted)

    tenant = start(grant, stated)
    answer = tenant.token(tenant.machine, grant_type="client_credentials", audience="http://localhost:9000/api/v2/")
    token = tenant.claims(answer.json()["access_token"])
    assert token[PLAN] == 1
    assert "plain" not in token


def test_a_sign_in_with_more_than_100_kilobytes_of_claims_fails(start: Any) -> None:
    tenant = start(offline=for_alice({"a": "x" * 60_000}, {"b": "x" * 60_000}))
    answer = tenant.redeem(tenant.sign_in()["code"])
    assert (answer.status_code, answer.json()["error"]) == (403, "access_denied")
    assert start(offline=for_alice({"a": "x" * 60_000})).tokens()["access_token"]


@pytest.mark.parametrize(
    ("kind", "line"),
    [
        ("users", "claims.users.x: there is no user 'x'; there are: 'alice@example.com', 'bob@example.com'"),
        ("clients", "claims.clients.x: there is no client 'x'; there are: 'Gatehouse agent', 'Gatehouse machine'"),
        ("apis", "claims.apis.x: there is no resource server 'x'; there are: 'http://localhost:5555/mcp'"),
    ],
)
def test_claims_of_something_that_does_not_exist_are_refused(start: Any, kind: str, line: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        start(offline=claims(**{kind: {"x": {}}}))
    assert raised.value.lines == [f"offline.yaml: {line}"]


def test_claims_change_at_run_time_and_go_with_their_user(tenant: Any) -> None:
    change = {"offline": {"claims": {"users": {"alice@example.com": {"access_token": {PLAN: "silver"}}}}}}
    assert tenant.http.patch("/__mock__/configuration", json=change).status_code == 200
    assert tenant.claims(tenant.tokens()["access_token"])[PLAN] == "silver"
    assert tenant.http.delete("/__mock__/users/alice@example.com").status_code == 204
    assert tenant.idp.configuration.offline_file.claims.users == {}


@pytest.mark.parametrize("audience", [API, None])
def test_userinfo_has_the_custom_claims_of_the_id_token(start: Any, audience: str | None) -> None:
    tenant = start(offline=for_alice({"only": "access"}, {PLAN: "gold", "sub": "other"}))
    token = tenant.tokens(audience=audience)["access_token"]
    answer = tenant.http.get("/userinfo", headers={"authorization": f"Bearer {token}"}).json()
    assert (answer[PLAN], answer["sub"]) == ("gold", "auth0|65a11ce00000000000000001")
    assert "only" not in answer


def test_a_claim_that_is_not_json_is_refused_at_the_start(start: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"claims\.users\.alice@example\.com\.access_token\.since"):
        start(offline=for_alice({"since": date(2026, 1, 1)}))
