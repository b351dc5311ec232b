"""Pushed authorization requests (RFC 9126), and applications that require them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.mock_idp.conftest import API, CALLBACK, CHALLENGE, Harness

Start = Callable[..., Harness]
PREFIX = "urn:ietf:params:oauth:request_uri:"
SECRETS = {"client_secret": "x", "client_assertion": "y"}


def with_par(start: Start, client: dict[str, Any] | None = None, **flags: Any) -> Harness:
    def change(file: dict[str, Any]) -> None:
        file["tenant"].update(pushed_authorization_requests_supported=True, flags=flags)
        file["clients"][0].update(client or {})

    return start(change)


@pytest.fixture
def tenant(start: Start) -> Harness:
    return with_par(start)


def push(tenant: Harness, **changes: Any) -> Any:
    form = {
        "client_id": tenant.agent[0],
        "client_secret": tenant.agent[1],
        "response_type": "code",
        "redirect_uri": CALLBACK,
        "scope": "openid access:mcp",
        "audience": API,
        "state": "s-pushed",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
        **changes,
    }
    return tenant.http.post("/oauth/par", data={name: value for name, value in form.items() if value is not None})


def pushed(tenant: Harness, **changes: Any) -> str:
    answer = push(tenant, **changes)
    assert answer.status_code == 201, answer.text
    uri: str = answer.json()["request_uri"]
    return uri


def begin(tenant: Harness, uri: str, **more: str) -> Any:
    return tenant.http.get("/authorize", params={"client_id": tenant.agent[0], "request_uri": uri, **more})


def test_a_pushed_request_becomes_a_sign_in(tenant: Harness) -> None:
    answer = push(tenant)
    assert answer.json()["expires_in"] == 30
    assert answer.json()["request_uri"].startswith(PREFIX)
    assert answer.headers["cache-control"] == "no-store"
    consent = tenant.follow(tenant.log_in(begin(tenant, answer.json()["request_uri"])))
    back = tenant.callback_parameters(tenant.follow(tenant.decide(consent)))
    assert back["state"] == "s-pushed"
    claims = tenant.claims(tenant.redeem(back["code"]).json()["access_token"])
    assert (claims["aud"][0], claims["scope"]) == (API, "openid access:mcp")


def test_the_address_of_the_browser_cannot_change_a_pushed_request(tenant: Harness) -> None:
    changed = {"redirect_uri": "https://evil.example/", "scope": "openid email", "audience": "x", "state": "other"}
    consent = tenant.follow(tenant.log_in(begin(tenant, pushed(tenant), **changed)))
    back = tenant.callback_parameters(tenant.follow(tenant.decide(consent)))
    assert back["state"] == "s-pushed"
    assert tenant.redeem(back["code"]).json()["scope"] == "openid access:mcp"


def test_a_request_uri_works_once_and_for_thirty_seconds(tenant: Harness) -> None:
    uri = pushed(tenant)
    assert begin(tenant, uri).status_code == 302
    assert begin(tenant, uri).status_code == 400
    late = pushed(tenant)
    tenant.idp.clock.shift(31)
    page = begin(tenant, late)
    assert page.status_code == 400
    assert "invalid or has expired" in page.text


def test_an_application_can_have_another_lifetime(start: Start) -> None:
    tenant = with_par(start, {"par_request_expiry": 90})
    assert push(tenant).json()["expires_in"] == 90
    uri = pushed(tenant)
    tenant.idp.clock.shift(80)
    assert begin(tenant, uri).status_code == 302


def test_a_request_uri_of_another_application_is_refused_and_not_used_up(start: Start) -> None:
    def change(file: dict[str, Any]) -> None:
        file["tenant"]["pushed_authorization_requests_supported"] = True
        file["clients"].append({"name": "Other", "callbacks": ["http://localhost:5000/other"]})

    tenant = start(change)
    other = next(client.client_id for client in tenant.idp.tenant.clients.values() if client.name == "Other")
    uri = pushed(tenant)
    assert tenant.http.get("/authorize", params={"client_id": other, "request_uri": uri}).status_code == 400
    assert tenant.http.get("/authorize", params={"request_uri": uri}).status_code == 400
    assert begin(tenant, uri).status_code == 302


@pytest.mark.parametrize("uri", [f"{PREFIX}nonsense", PREFIX, "https://app.example/request.jwt", "x"])
def test_an_unknown_request_uri_ends_on_a_page(tenant: Harness, uri: str) -> None:
    page = begin(tenant, uri, redirect_uri=CALLBACK, response_type="code")
    assert page.status_code == 400
    assert "location" not in page.headers


@pytest.mark.parametrize(
    ("changes", "status", "error"),
    [
        ({"client_secret": "wrong"}, 401, "access_denied"),
        ({"client_secret": None}, 401, "access_denied"),
        ({"redirect_uri": "https://evil.example/"}, 400, "unauthorized_client"),
        ({"audience": "https://nowhere.example/"}, 400, "access_denied"),
        ({"response_type": None}, 400, "invalid_request"),
        ({"response_type": "token"}, 400, "unauthorized_client"),
        ({"code_challenge_method": "S1"}, 400, "invalid_request"),
        ({"request_uri": f"{PREFIX}x"}, 400, "invalid_request"),
        ({"request": "a.b.c"}, 400, "invalid_request"),
        ({"dpop_jkt": "x"}, 400, "invalid_request"),
        ({"scope": "x" * 11_000}, 400, "invalid_request"),
        ({f"ext-{number}": "x" for number in range(11)}, 400, "invalid_request"),
    ],
)
def test_a_wrong_request_is_refused_before_the_person_comes(
    tenant: Harness, changes: dict[str, Any], status: int, error: str
) -> None:
    refused = push(tenant, **changes)
    assert (refused.status_code, refused.json()["error"]) == (status, error)
    assert tenant.idp.store.pushed_requests.items() == []


def test_only_a_form_can_be_pushed(tenant: Harness) -> None:
    body = {"client_id": tenant.agent[0], "client_secret": tenant.agent[1], "response_type": "code"}
    assert tenant.http.post("/oauth/par", json=body).status_code == 400


def test_a_public_application_cannot_push(start: Start) -> None:
    tenant = with_par(start, {"token_endpoint_auth_method": "none"})
    assert push(tenant, client_secret=None).status_code == 401


def test_no_credential_of_the_client_is_kept_with_the_request(tenant: Harness) -> None:
    begin(tenant, pushed(tenant, **{"ext-flavour": "x", "unknown": "y"}))
    ((_, transaction),) = tenant.idp.store.transactions.items()
    assert transaction.request.query["ext-flavour"] == "x"
    assert {"client_secret", "client_assertion", "unknown"}.isdisjoint(transaction.request.query)
    assert tenant.agent[1] not in tenant.http.get("/__mock__/requests").text


def test_an_application_or_a_tenant_can_require_pushed_requests(start: Start) -> None:
    for tenant in (
        with_par(start, {"require_pushed_authorization_requests": True}),
        with_par(start, require_pushed_authorization_requests=True),
    ):
        back = tenant.callback_parameters(tenant.authorize())
        assert (back["error"], back["state"]) == ("invalid_request", "s-1")
        assert begin(tenant, pushed(tenant)).status_code == 302


def test_without_the_setting_of_the_tenant_nothing_can_be_pushed_and_nothing_is_advertised(start: Start) -> None:
    tenant = start()
    refused = push(tenant)
    assert refused.status_code == 400
    assert "not enabled" in refused.json()["error_description"]
    assert begin(tenant, f"{PREFIX}x").status_code == 400
    document = tenant.http.get("/.well-known/openid-configuration").json()
    assert "pushed_authorization_request_endpoint" not in document


def test_discovery_has_the_endpoint_and_whether_it_is_required(start: Start) -> None:
    document = with_par(start).http.get("/.well-known/openid-configuration").json()
    assert document["pushed_authorization_request_endpoint"] == "http://localhost:9000/oauth/par"
    assert "require_pushed_authorization_requests" not in document
    strict = with_par(start, require_pushed_authorization_requests=True)
    assert strict.http.get("/.well-known/openid-configuration").json()["require_pushed_authorization_requests"] is True


def test_the_resource_of_a_pushed_request_selects_the_api(tenant: Harness) -> None:
    uri = pushed(tenant, audience=None, resource=API)
    consent = tenant.follow(tenant.log_in(begin(tenant, uri)))
    code = tenant.callback_parameters(tenant.follow(tenant.decide(consent)))["code"]
    assert tenant.claims(tenant.redeem(code).json()["access_token"])["aud"][0] == API
