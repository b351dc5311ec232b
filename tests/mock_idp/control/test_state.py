from __future__ import annotations

import json
from typing import Any

import pytest

API = "http://localhost:5555/mcp"
BOB = "auth0|65b0b0000000000000000002"


def test_a_user_gets_a_role_at_run_time(tenant: Any) -> None:
    assert tenant.tokens("bob@example.com", scope="access:mcp")["scope"] == ""
    changed = tenant.http.put("/__mock__/users/bob@example.com", json={"roles": ["mcp-user"]})
    assert changed.status_code == 204
    assert tenant.browser().tokens("bob@example.com", scope="access:mcp")["scope"] == "access:mcp"


def test_a_user_is_added_and_removed(tenant: Any) -> None:
    carol = {"user_id": "auth0|carol", "password": "C-1", "roles": ["mcp-user"]}
    assert tenant.http.put("/__mock__/users/carol@example.com", json=carol).status_code == 204
    answer = tenant.follow(tenant.log_in(tenant.authorize(), "carol@example.com", "C-1"))
    assert answer.headers["location"].startswith("/u/consent")
    assert tenant.http.delete("/__mock__/users/carol@example.com").status_code == 204
    assert tenant.http.delete("/__mock__/users/carol@example.com").status_code == 404
    assert tenant.log_in(tenant.browser().authorize(), "carol@example.com", "C-1").status_code == 400


def test_the_tokens_and_sessions_of_a_removed_user_are_invalid(tenant: Any) -> None:
    tokens = tenant.tokens(scope="openid access:mcp offline_access")
    tenant.http.delete("/__mock__/users/alice@example.com")
    refresh = tenant.token(grant_type="refresh_token", refresh_token=tokens["refresh_token"])
    assert refresh.json()["error"] == "invalid_grant"
    bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
    assert tenant.http.get("/userinfo", headers=bearer).status_code == 401
    assert tenant.authorize().headers["location"].startswith("/u/login")


def test_a_client_with_its_grant_is_added_and_removed(tenant: Any) -> None:
    client = {"client_id": "late", "client_secret": "s", "grant_types": ["client_credentials"]}
    assert tenant.http.put("/__mock__/clients/Latecomer", json=client).status_code == 204
    grant = {"client_id": "Latecomer", "audience": API, "subject_type": "client", "scope": ["access:mcp"]}
    tenant.http.patch("/__mock__/configuration", json={"tenant": {"clientGrants": [grant]}})
    asked = {"grant_type": "client_credentials", "audience": API}
    assert tenant.token(("late", "s"), **asked).json()["scope"] == "access:mcp"
    removed = {"client_id": "Latecomer", "audience": API, "subject_type": "client"}
    assert tenant.http.request("DELETE", "/__mock__/client-grants", json=removed).status_code == 204
    assert tenant.token(("late", "s"), **asked).status_code == 403
    assert tenant.http.delete("/__mock__/clients/Latecomer").status_code == 204
    assert tenant.token(("late", "s"), **asked).status_code == 401


def test_removing_a_role_or_an_api_removes_references_to_it(tenant: Any) -> None:
    assert tenant.http.delete("/__mock__/roles/mcp-user").status_code == 204
    assert tenant.tokens(scope="access:mcp")["scope"] == ""
    assert tenant.http.delete(f"/__mock__/resource-servers/{API}").status_code == 204
    refused = tenant.callback_parameters(tenant.authorize())
    assert refused["error_description"] == f"Service not found: {API}"


def test_settings_are_changed_with_the_keys_of_the_tenant_file(tenant: Any) -> None:
    change = {"tenant": {"tenant": {"flags": {"enable_dynamic_client_registration": False}, "friendly_name": "Other"}}}
    assert tenant.http.patch("/__mock__/configuration", json=change).status_code == 200
    shown = tenant.http.get("/__mock__/configuration").json()
    assert shown["tenant"]["tenant"]["friendly_name"] == "Other"
    assert shown["tenant"]["tenant"]["resource_parameter_profile"] == "compatibility"
    assert tenant.http.post("/oidc/register", json={}).status_code == 403


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            {"tenant": {"tenant": {"freindly_name": "x"}}},
            "freindly_name: unknown key; did you mean friendly_name?",
        ),
        ({"tenant": {"roles": [{"name": "r", "permissions": [{}]}]}}, "permission_name: Field required"),
        ({"tenant": {"clients": "none"}}, "tenant: clients: Input should be a valid list"),
        ({"offline": {"users": [{"email": "bob@example.com", "roles": ["gone"]}]}}, "there is no role 'gone'"),
        ({"other": {}}, "other: Extra inputs are not permitted."),
    ],
)
def test_a_wrong_change_changes_nothing(tenant: Any, change: dict[str, Any], sentence: str) -> None:
    before = tenant.http.get("/__mock__/configuration").json()
    response = tenant.http.patch("/__mock__/configuration", json=change)
    assert response.status_code == 400
    assert sentence in response.json()["error"]
    assert tenant.http.get("/__mock__/configuration").json() == before


def test_a_snapshot_restores_everything(tenant: Any) -> None:
    tokens = tenant.tokens(scope="access:mcp offline_access")
    snapshot = tenant.http.post("/__mock__/snapshots").json()["id"]
    kid = tenant.idp.keys.current.kid
    tenant.http.put("/__mock__/users/alice@example.com", json={"roles": []})
    tenant.http.post("/__mock__/keys/rotate")
    tenant.http.post("/__mock__/clock", json={"offset_seconds": 10_000_000})
    form = {"client_id": tenant.agent[0], "client_secret": tenant.agent[1], "token": tokens["refresh_token"]}
    tenant.http.post("/oauth/revoke", data=form)
    for _ in range(2):
        assert tenant.http.post(f"/__mock__/snapshots/{snapshot}/restore").status_code == 204
        again = tenant.token(grant_type="refresh_token", refresh_token=tokens["refresh_token"])
        assert again.json()["scope"] == "access:mcp offline_access"
        assert tenant.idp.keys.current.kid == kid
        assert not tenant.authorize().headers["location"].startswith("/u/login")
        tenant.http.post("/oauth/revoke", data=form)
    assert tenant.http.post("/__mock__/snapshots/none/restore").status_code == 404


def test_the_oldest_snapshots_are_deleted(tenant: Any) -> None:
    names = [tenant.http.post("/__mock__/snapshots").json()["id"] for _ in range(25)]
    assert len(set(names)) == 25
    assert tenant.http.post(f"/__mock__/snapshots/{names[0]}/restore").status_code == 404
    assert tenant.http.post(f"/__mock__/snapshots/{names[-1]}/restore").status_code == 204


def test_a_registered_client_remains_after_a_change_and_a_snapshot_but_not_after_a_reset(start: Any) -> None:
    tenant = start(lambda file: file["tenant"].update(flags={"enable_dynamic_client_registration": True}))
    client_id = tenant.http.post("/oidc/register", json={"redirect_uris": ["https://a.example/cb"]}).json()["client_id"]
    tenant.http.put("/__mock__/users/bob@example.com", json={"roles": ["mcp-user"]})
    assert client_id in tenant.idp.tenant.clients
    snapshot = tenant.http.post("/__mock__/snapshots").json()["id"]
    tenant.http.post(f"/__mock__/snapshots/{snapshot}/restore")
    assert client_id in tenant.idp.tenant.clients
    tenant.http.post("/__mock__/reset")
    assert client_id not in tenant.idp.tenant.clients


def test_a_reset_restores_the_initial_keys(tenant: Any) -> None:
    before = tenant.http.get("/.well-known/jwks.json").json()
    tenant.http.post("/__mock__/keys/rotate")
    tenant.http.post("/__mock__/faults", json={"endpoint": "jwks", "status": 500})
    tenant.http.post("/__mock__/reset")
    assert tenant.http.get("/.well-known/jwks.json").json() == before


def test_the_log_has_auth0s_codes(tenant: Any) -> None:
    def codes() -> list[str]:
        return [event["type"] for event in tenant.http.get("/__mock__/logs").json()["logs"]]

    tenant.authorize(client_id="nobody")
    tenant.log_in(tenant.authorize(), password="wrong")
    tenant.http.post("/u/login", data={})
    tokens = tenant.tokens(scope="access:mcp offline_access")
    tenant.redeem("nonsense")
    tenant.token(grant_type="refresh_token", refresh_token=tokens["refresh_token"])
    tenant.token(grant_type="refresh_token", refresh_token="nonsense")
    tenant.token(tenant.machine, grant_type="client_credentials", audience=API)
    tenant.token(tenant.machine, grant_type="client_credentials", audience="http://nowhere/")
    assert codes() == ["f", "fp", "s", "seacft", "feacft", "sertft", "fertft", "seccft", "feccft"]
    first = tenant.http.get("/__mock__/logs", params={"type": "f"}).json()["logs"]
    assert first[0]["description"] == "invalid_request : Unknown client: nobody"
    success = tenant.http.get("/__mock__/logs", params={"type": "seacft"}).json()["logs"][0]
    assert success["user_name"] == "alice@example.com"
    assert success["client_id"] == tenant.agent[0]
    assert success["audience"] == API
    tenant.http.delete("/__mock__/logs")
    assert codes() == []


def test_the_reuse_of_a_rotated_token_has_its_own_code(start: Any) -> None:
    tenant = start(lambda file: file["clients"][0].update(refresh_token={"rotation_type": "rotating"}))
    token = tenant.tokens(scope="access:mcp offline_access")["refresh_token"]
    for _ in range(2):
        tenant.token(grant_type="refresh_token", refresh_token=token)
    assert len(tenant.http.get("/__mock__/logs", params={"type": "ferrt"}).json()["logs"]) == 1


def test_the_journal_has_each_request_with_its_answer(tenant: Any) -> None:
    tenant.tokens()
    requests = tenant.http.get("/__mock__/requests").json()["requests"]
    assert [(entry["method"], entry["path"], entry["status"]) for entry in requests] == [
        ("GET", "/authorize", 302),
        ("POST", "/u/login", 302),
        ("GET", "/authorize/resume", 302),
        ("POST", "/u/consent", 302),
        ("GET", "/authorize/resume", 302),
        ("POST", "/oauth/token", 200),
    ]
    assert len({entry["flow"] for entry in requests[:-1]}) == 1
    token = requests[-1]
    assert token["client"] == tenant.agent[0]
    assert token["parameters"]["grant_type"] == "authorization_code"
    assert token["answer"]["token_type"] == "Bearer"
    assert token["tokens"]["access_token"]["claims"]["permissions"] == ["access:mcp"]
    assert token["parameters"]["code"] in requests[-2]["location"].replace("%E2%80%A6", "…")


def test_neither_journal_nor_log_nor_output_contains_a_secret(tenant: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", logger="mock_idp")
    location = tenant.sign_in(scope="openid access:mcp offline_access")
    answer = tenant.redeem(location["code"]).json()
    tenant.token((tenant.agent[0], "a-wrong-secret"), grant_type="refresh_token", refresh_token=answer["refresh_token"])
    basic = {"auth": tenant.machine, "data": {"grant_type": "client_credentials"}}
    tenant.http.post("/oauth/token", **basic)
    tenant.http.get("/userinfo", headers={"Authorization": f"Bearer {answer['access_token']}"})
    written = json.dumps([tenant.http.get(f"/__mock__/{name}").json() for name in ("requests", "logs")]) + caplog.text
    signature = answer["access_token"].rsplit(".", 1)[1]
    secrets = [location["code"], answer["refresh_token"], signature, tenant.agent[1], tenant.machine[1]]
    for secret in (*secrets, "Wonderland-1", "a-wrong-secret", "v" * 43):
        assert secret not in written


def test_presets_are_listed_and_applied_until_a_reset(tenant: Any) -> None:
    listed = tenant.http.get("/__mock__/presets").json()["presets"]
    assert {"opaque-token", "slash-mismatch", "no-client-grant", "role-missing"} <= {p["name"] for p in listed}
    assert tenant.http.post("/__mock__/presets/role-missing").status_code == 204
    assert tenant.tokens(scope="access:mcp")["scope"] == ""
    tenant.http.post("/__mock__/reset")
    assert tenant.browser().tokens(scope="access:mcp")["scope"] == "access:mcp"
    assert tenant.http.post("/__mock__/presets/none").status_code == 404


def test_the_journal_has_the_shown_page_and_the_reason_of_a_refusal(tenant: Any) -> None:
    tenant.authorize(redirect_uri="http://evil.example/?code=s3cret")
    tenant.authorize(audience="http://nowhere/")
    tenant.http.get(tenant.authorize().headers["location"])
    requests = tenant.http.get("/__mock__/requests").json()["requests"]
    mismatch, unknown, _, login = (entry["outcome"] for entry in requests)
    assert (mismatch["page"], mismatch["explanation"]) == ("error", "callback_mismatch")
    assert "s3cret" not in json.dumps(requests)
    assert (unknown["error"], unknown["explanation"]) == ("access_denied", "service_not_found")
    assert unknown["facts"]["sent"] == "http://nowhere/"
    assert "page" not in unknown
    assert login == {"page": "login"}
