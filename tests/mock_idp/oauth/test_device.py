from __future__ import annotations

from typing import Any

import pytest

API = "http://localhost:5555/mcp"
GRANT = "urn:ietf:params:oauth:grant-type:device_code"


def television(file: dict[str, Any]) -> None:
    file["clients"].append({"name": "Television", "app_type": "native", "grant_types": [GRANT, "refresh_token"]})
    file["databases"][0]["enabled_clients"].append("Television")


@pytest.fixture
def tenant(start: Any) -> Any:
    return start(television)


def client_id(tenant: Any) -> str:
    found: str = next(c.client_id for c in tenant.idp.tenant.clients.values() if c.name == "Television")
    return found


def begin(tenant: Any, **changes: Any) -> Any:
    form = {"client_id": client_id(tenant), "scope": "openid access:mcp offline_access", "audience": API, **changes}
    return tenant.http.post("/oauth/device/code", data={k: v for k, v in form.items() if v is not None})


def poll(tenant: Any, device_code: str) -> Any:
    form = {"client_id": client_id(tenant), "grant_type": GRANT, "device_code": device_code}
    return tenant.http.post("/oauth/token", data=form)


def activate(tenant: Any, user_code: str, action: str = "accept") -> Any:
    redirect = tenant.http.post("/activate", data={"user_code": user_code, "action": "default"})
    return tenant.follow(tenant.decide(tenant.follow(tenant.log_in(tenant.follow(redirect))), action))


def test_the_device_gets_a_code_for_itself_and_one_for_the_person(tenant: Any) -> None:
    answer = begin(tenant).json()
    assert answer["verification_uri"] == "http://localhost:9000/activate"
    assert answer["verification_uri_complete"].endswith(f"?user_code={answer['user_code']}")
    assert (answer["expires_in"], answer["interval"]) == (900, 5)
    assert len(answer["user_code"]) == 9
    page = tenant.http.get("/activate", params={"user_code": answer["user_code"]})
    assert f'value="{answer["user_code"]}"' in page.text


def test_the_device_waits_until_the_person_has_confirmed(tenant: Any) -> None:
    answer = begin(tenant).json()
    pending = poll(tenant, answer["device_code"])
    assert pending.status_code == 403
    assert pending.json() == {
        "error": "authorization_pending",
        "error_description": "User has yet to authorize device code.",
    }
    done = activate(tenant, answer["user_code"].lower().replace("-", " "))
    assert "Congratulations" in done.text
    tokens = poll(tenant, answer["device_code"]).json()
    assert tokens["scope"] == "openid access:mcp offline_access"
    assert {"access_token", "id_token", "refresh_token"} <= tokens.keys()
    assert poll(tenant, answer["device_code"]).json()["error"] == "invalid_grant"


def test_the_person_sees_the_code_and_the_device_before_confirming(tenant: Any) -> None:
    answer = begin(tenant).json()
    redirect = tenant.http.post("/activate", data={"user_code": answer["user_code"]})
    consent = tenant.follow(tenant.log_in(tenant.follow(redirect)))
    page = tenant.http.get(consent.headers["location"]).text
    assert answer["user_code"] in page
    assert "Television" in page


def test_polling_too_fast_is_answered_with_slow_down(tenant: Any) -> None:
    code = begin(tenant).json()["device_code"]
    poll(tenant, code)
    fast = poll(tenant, code)
    assert fast.status_code == 429
    assert fast.json() == {
        "error": "slow_down",
        "error_description": "You are polling faster than the specified interval of 5 seconds.",
    }
    tenant.idp.clock.shift(6)
    assert poll(tenant, code).json()["error"] == "authorization_pending"


def test_a_declined_device_gets_access_denied(tenant: Any) -> None:
    answer = begin(tenant).json()
    activate(tenant, answer["user_code"], "deny")
    refused = poll(tenant, answer["device_code"])
    assert refused.status_code == 403
    assert refused.json()["error_description"] == "User cancelled the confirmation prompt."


def test_an_expired_code_is_answered_with_expired_token_once(tenant: Any) -> None:
    answer = begin(tenant).json()
    tenant.idp.clock.shift(901)
    assert tenant.http.post("/activate", data={"user_code": answer["user_code"]}).status_code == 400
    assert poll(tenant, answer["device_code"]).json()["error"] == "expired_token"
    assert poll(tenant, answer["device_code"]).json()["error"] == "invalid_grant"


def test_a_wrong_user_code_shows_the_page_again(tenant: Any) -> None:
    begin(tenant)
    for typed in ("", "AAAA-AAAA", "<b>"):
        response = tenant.http.post("/activate", data={"user_code": typed})
        assert response.status_code == 400
        assert 'id="error-element-user_code"' in response.text
        assert "<b>" not in response.text


def test_a_client_without_the_grant_cannot_begin(tenant: Any) -> None:
    form = {"client_id": tenant.agent[0], "client_secret": tenant.agent[1]}
    response = tenant.http.post("/oauth/device/code", data=form)
    assert response.status_code == 403
    assert response.json()["error"] == "unauthorized_client"


def test_an_unknown_api_is_named_in_the_refusal(tenant: Any) -> None:
    response = begin(tenant, audience="http://nowhere/")
    assert response.status_code == 403
    assert response.json() == {"error": "access_denied", "error_description": "Service not found: http://nowhere/"}
