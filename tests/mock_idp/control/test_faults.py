from __future__ import annotations

from typing import Any

import pytest

JWKS = "/.well-known/jwks.json"
DISCOVERY = "/.well-known/openid-configuration"


def add_fault(tenant: Any, **body: Any) -> str:
    response = tenant.http.post("/__mock__/faults", json=body)
    assert response.status_code == 201, response.text
    identifier: str = response.json()["id"]
    return identifier


def statuses(tenant: Any, path: str, count: int) -> list[int]:
    return [tenant.http.get(path).status_code for _ in range(count)]


def test_a_fault_applies_once_by_default(tenant: Any) -> None:
    add_fault(tenant, endpoint="jwks", status=500)
    assert statuses(tenant, JWKS, 2) == [500, 200]
    add_fault(tenant, endpoint="jwks", status=503, times=2)
    assert statuses(tenant, JWKS, 3) == [503, 503, 200]


def test_a_fault_can_apply_to_every_nth_request_without_end(tenant: Any) -> None:
    add_fault(tenant, endpoint="jwks", status=500, skip=1, every=2, times=None)
    assert statuses(tenant, JWKS, 6) == [200, 200, 500, 200, 500, 200]


def test_a_fault_applies_only_to_its_endpoint(tenant: Any) -> None:
    add_fault(tenant, endpoint="discovery", status=404, times=None)
    assert statuses(tenant, JWKS, 1) == [200]
    assert statuses(tenant, DISCOVERY, 1) == [404]
    assert statuses(tenant, "/.well-known/oauth-authorization-server", 1) == [404]


def test_a_fault_can_change_and_remove_members_of_discovery(tenant: Any) -> None:
    add_fault(tenant, endpoint="discovery", patch={"issuer": "https://evil.example/", "jwks_uri": None})
    document = tenant.http.get(DISCOVERY).json()
    assert document["issuer"] == "https://evil.example/"
    assert "jwks_uri" not in document
    assert tenant.http.get(DISCOVERY).json()["issuer"] == "http://localhost:9000/"


def test_a_jwks_can_be_empty_malformed_or_without_keys(tenant: Any) -> None:
    add_fault(tenant, endpoint="jwks", action="empty")
    assert tenant.http.get(JWKS).content == b""
    add_fault(tenant, endpoint="jwks", action="malformed")
    with pytest.raises(ValueError, match=r"."):
        tenant.http.get(JWKS).json()
    add_fault(tenant, endpoint="jwks", patch={"keys": []})
    assert tenant.http.get(JWKS).json() == {"keys": []}


def test_a_fault_can_add_headers_to_a_correct_answer(tenant: Any) -> None:
    add_fault(tenant, endpoint="jwks", headers={"Cache-Control": "no-store", "Age": "99"})
    response = tenant.http.get(JWKS)
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["age"] == "99"
    assert len(response.json()["keys"]) == 2


def test_a_fault_can_apply_to_one_client(tenant: Any) -> None:
    add_fault(tenant, endpoint="token", parameter={"client_id": tenant.machine[0]}, status=502, times=None)
    grant = {"grant_type": "client_credentials", "audience": "http://localhost:5555/mcp"}
    assert tenant.token(tenant.machine, **grant).status_code == 502
    body = {"client_id": tenant.machine[0], "client_secret": tenant.machine[1], **grant}
    assert tenant.http.post("/oauth/token", json=body).status_code == 502
    assert tenant.tokens()["access_token"]
    for content in (b"[]", b"{", b"\xff"):
        response = tenant.http.post("/oauth/token", content=content, headers={"Content-Type": "application/json"})
        assert response.status_code == 400


def test_a_rate_limit_has_auth0s_answer(tenant: Any) -> None:
    add_fault(tenant, endpoint="token", action="rate_limit")
    response = tenant.http.post("/oauth/token")
    assert response.status_code == 429
    assert response.json()["error"] == "too_many_requests"
    assert response.headers["x-ratelimit-remaining"] == "0"
    assert response.headers["retry-after"] == "1"


def test_faults_are_listed_with_their_counts_and_can_be_removed(tenant: Any) -> None:
    first, second = (
        add_fault(tenant, endpoint="jwks", status=500, times=3),
        add_fault(tenant, path="/userinfo", status=500),
    )
    tenant.http.get(JWKS)
    listed = {fault["id"]: fault for fault in tenant.http.get("/__mock__/faults").json()["faults"]}
    assert listed[first]["done"] == 1
    assert tenant.http.delete(f"/__mock__/faults/{first}").status_code == 204
    assert tenant.http.delete(f"/__mock__/faults/{first}").status_code == 404
    assert tenant.http.delete("/__mock__/faults").status_code == 204
    assert tenant.http.get("/userinfo").status_code == 401
    assert second not in tenant.http.get("/__mock__/faults").text


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"endpoint": "jwks"},
        {"endpoint": "moon", "status": 500},
        {"endpoint": "jwks", "path": "/x", "status": 500},
        {"endpoint": "jwks", "status": 500, "action": "drop"},
        {"endpoint": "jwks", "status": 99},
        {"endpoint": "jwks", "status": 500, "headers": {"a b": "c"}},
        {"endpoint": "jwks", "status": 500, "headers": {"a": "c\r\nd: e"}},
        {"endpoint": "jwks", "delay_seconds": 1e9},
        {"endpoint": "jwks", "status": 500, "times": 0},
    ],
)
def test_a_wrong_fault_is_refused(tenant: Any, body: dict[str, Any]) -> None:
    response = tenant.http.post("/__mock__/faults", json=body)
    assert response.status_code == 400
    assert response.json()["error"].endswith(".")
