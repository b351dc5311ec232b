"""Which answers a page of another origin may read."""

from __future__ import annotations

from typing import Any

import pytest

API = "http://localhost:5555/mcp"
OWN = "http://localhost:5000"
"""The origin of the agent's callback."""
FOREIGN = "http://evil.example"
ALLOWED = "access-control-allow-origin"


def lists(**changes: list[str]) -> Any:
    return lambda file: file["clients"][0].update(changes)


def allowed(response: Any) -> str | None:
    return response.headers.get(ALLOWED)


def refused_code(tenant: Any, origin: str, client: tuple[str, str] | None = None) -> Any:
    client_id, secret = client or tenant.agent
    form = {"grant_type": "authorization_code", "code": "x", "client_id": client_id, "client_secret": secret}
    return tenant.http.post("/oauth/token", data=form, headers={"Origin": origin})


def preflight(tenant: Any, origin: str, path: str = "/oauth/token", headers: str = "content-type") -> Any:
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": headers}
    return tenant.http.options(path, headers={"Origin": origin, **asked})


def test_the_origin_of_a_callback_may_read_the_token_answer_and_no_other_may(tenant: Any) -> None:
    own, foreign = refused_code(tenant, OWN), refused_code(tenant, FOREIGN)
    assert allowed(own) == OWN
    assert allowed(foreign) is None
    assert own.headers["vary"] == foreign.headers["vary"] == "Origin"
    assert own.status_code == foreign.status_code == 400


@pytest.mark.parametrize("member", ["allowed_origins", "web_origins"])
def test_the_origins_of_the_client_are_allowed(start: Any, member: str) -> None:
    tenant = start(lists(**{member: ["https://app.example", "https://*.team.example"]}))
    for origin in ("https://app.example", "https://a.team.example", "https://b-1.team.example"):
        assert allowed(refused_code(tenant, origin)) == origin


@pytest.mark.parametrize(
    "origin",
    [
        "https://app.example:8443",
        "http://app.example",
        "https://app.example.evil.example",
        "https://evilapp.example",
        "https://a.b.team.example",
        "https://team.example",
        "https://.team.example",
        "https://x/.team.example",
        "https://evil.example?.team.example",
        "http://localhost:5001",
        "http://127.0.0.1:5000",
        "http://localhost",
        "null",
        "*",
        "",
    ],
)
def test_a_similar_origin_is_not_allowed(start: Any, origin: str) -> None:
    tenant = start(lists(allowed_origins=["https://app.example", "https://*.team.example"]))
    assert allowed(refused_code(tenant, origin)) is None
    assert allowed(preflight(tenant, origin)) is None


@pytest.mark.parametrize(
    "entry",
    [
        "*",
        "https://*",
        "https://*.example",
        "https://app.*.example",
        "https://*.*.app.example",
        "https://app.example/",
        "https://app.example/path",
        "app.example",
        "",
        "http://[",
    ],
)
def test_an_entry_that_is_no_origin_or_too_wide_allows_nothing(start: Any, entry: str) -> None:
    tenant = start(lists(allowed_origins=[entry], web_origins=[entry]))
    for origin in ("https://app.example", "https://a.app.example", "https://app.b.example", "https://a.b.app.example"):
        assert allowed(refused_code(tenant, origin)) is None


def test_the_machines_token_cannot_be_read_by_a_page(tenant: Any) -> None:
    form = {"grant_type": "client_credentials", "audience": API}
    client = {"client_id": tenant.machine[0], "client_secret": tenant.machine[1]}
    for origin in (FOREIGN, OWN):
        response = tenant.http.post("/oauth/token", data={**form, **client}, headers={"Origin": origin})
        assert response.status_code == 200
        assert allowed(response) is None


def test_a_wrong_secret_and_basic_authentication_change_nothing(tenant: Any) -> None:
    wrong = (tenant.agent[0], "wrong")
    assert allowed(refused_code(tenant, OWN, wrong)) == OWN
    assert allowed(refused_code(tenant, FOREIGN, wrong)) is None
    assert allowed(refused_code(tenant, OWN, ("nobody", "x"))) is None
    form = {"grant_type": "authorization_code", "code": "x"}
    response = tenant.http.post("/oauth/token", data=form, headers={"Origin": OWN}, auth=tenant.agent)
    assert allowed(response) == OWN


def test_userinfo_and_revocation_belong_to_the_client_of_the_token(tenant: Any) -> None:
    bearer = {"Authorization": f"Bearer {tenant.tokens()['access_token']}"}
    assert allowed(tenant.http.get("/userinfo", headers={**bearer, "Origin": OWN})) == OWN
    assert allowed(tenant.http.get("/userinfo", headers={**bearer, "Origin": FOREIGN})) is None
    assert allowed(tenant.http.get("/userinfo", headers={"Authorization": "Bearer x", "Origin": OWN})) is None
    form = {"client_id": tenant.agent[0], "client_secret": tenant.agent[1], "token": "x"}
    assert allowed(tenant.http.post("/oauth/revoke", data=form, headers={"Origin": OWN})) == OWN
    assert allowed(tenant.http.post("/oauth/revoke", data=form, headers={"Origin": FOREIGN})) is None


def test_a_preflight_is_answered_for_the_origins_of_all_clients(tenant: Any) -> None:
    for path in ("/oauth/token", "/oauth/revoke", "/oauth/device/code", "/userinfo"):
        own = preflight(tenant, OWN, path, "content-type,authorization")
        assert own.status_code == 200
        assert allowed(own) == OWN
        assert own.headers["access-control-allow-headers"] == "content-type,authorization"
        assert own.headers["vary"].startswith("Origin")
        foreign = preflight(tenant, FOREIGN, path)
        assert foreign.status_code == 400
        assert allowed(foreign) is None


def test_documents_and_registration_may_be_read_by_every_origin(tenant: Any) -> None:
    for path in (
        "/.well-known/openid-configuration",
        "/.well-known/oauth-authorization-server",
        "/.well-known/jwks.json",
    ):
        assert allowed(tenant.http.get(path, headers={"Origin": FOREIGN})) == "*"
    assert allowed(tenant.http.post("/oidc/register", json={}, headers={"Origin": FOREIGN})) == "*"
    assert allowed(preflight(tenant, FOREIGN, "/oidc/register")) == "*"


def test_pages_and_the_console_may_be_read_by_no_other_origin(tenant: Any) -> None:
    for path in ("/", "/authorize", "/u/login", "/v2/logout", "/__mock__/logs", "/api/v2/clients", "/livez"):
        for origin in (OWN, FOREIGN):
            assert allowed(tenant.http.get(path, headers={"Origin": origin})) is None
            assert allowed(preflight(tenant, origin, path)) is None


def test_a_client_that_registered_itself_may_use_the_origin_of_its_callback(start: Any) -> None:
    tenant = start(lambda file: file["tenant"].update(flags={"enable_dynamic_client_registration": True}))
    inspector = "http://localhost:6274"
    assert allowed(preflight(tenant, inspector)) is None
    metadata = {"redirect_uris": [f"{inspector}/oauth/callback"], "token_endpoint_auth_method": "none"}
    registered = tenant.http.post("/oidc/register", json=metadata, headers={"Origin": inspector})
    assert allowed(registered) == "*"
    form = {"grant_type": "authorization_code", "code": "x", "client_id": registered.json()["client_id"]}
    assert allowed(tenant.http.post("/oauth/token", data=form, headers={"Origin": inspector})) == inspector
    assert allowed(tenant.http.post("/oauth/token", data=form, headers={"Origin": OWN})) is None
    assert allowed(preflight(tenant, inspector)) == inspector


def test_a_refused_origin_is_in_the_tenants_log(tenant: Any) -> None:
    refused_code(tenant, FOREIGN)
    preflight(tenant, "http://other.example")
    refused_code(tenant, OWN)
    refused_code(tenant, "http://localhost:9000")
    events = [event for event in tenant.http.get("/__mock__/logs").json()["logs"] if event["type"] == "fco"]
    assert sorted(event["description"] for event in events) == [
        f"Origin {FOREIGN} is not allowed.",
        "Origin http://other.example is not allowed.",
    ]


def test_origins_can_be_changed_at_run_time(tenant: Any) -> None:
    change = {"tenant": {"clients": [{"name": "Gatehouse agent", "web_origins": ["https://app.example"]}]}}
    assert allowed(refused_code(tenant, "https://app.example")) is None
    tenant.http.patch("/__mock__/configuration", json=change)
    assert allowed(refused_code(tenant, "https://app.example")) == "https://app.example"
