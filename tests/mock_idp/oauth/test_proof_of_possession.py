"""Applications and APIs that have bound tokens only (DPoP, mTLS), which the offline tenant cannot issue."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.mock_idp.conftest import API, Harness

Start = Callable[..., Harness]
WORDS = "A token without proof of possession is not issued here."


def machine_token(tenant: Harness, headers: dict[str, str] | None = None) -> Any:
    form = {"client_id": tenant.machine[0], "client_secret": tenant.machine[1]}
    form |= {"grant_type": "client_credentials", "audience": API}
    return tenant.http.post("/oauth/token", data=form, headers=headers)


def api_with(public: bool = False, **settings: Any) -> Callable[[dict[str, Any]], None]:
    def change(file: dict[str, Any]) -> None:
        file["resourceServers"][0]["proof_of_possession"] = {"mechanism": "dpop", **settings}
        if public:
            file["clients"][0]["token_endpoint_auth_method"] = "none"

    return change


def test_an_application_that_requires_bound_tokens_gets_no_token(start: Start) -> None:
    tenant = start(lambda file: file["clients"][1].update(require_proof_of_possession=True))
    refused = machine_token(tenant)
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_request")
    assert refused.json()["error_description"].startswith(WORDS)
    assert "DPoP" in machine_token(tenant, {"DPoP": "proof"}).json()["error_description"]
    assert "require_proof_of_possession" in tenant.http.get("/").text
    assert tenant.tokens()["token_type"] == "Bearer"


def test_an_api_that_requires_bound_tokens_has_no_tokens_here(start: Start) -> None:
    tenant = start(api_with(required=True))
    assert machine_token(tenant).json()["error_description"].startswith(WORDS)
    answer = tenant.redeem(tenant.sign_in()["code"])
    assert answer.json()["error_description"].startswith(WORDS)
    assert "access_token" not in answer.json()
    assert tenant.browser().tokens(audience=None)["token_type"] == "Bearer"


@pytest.mark.parametrize(("public", "status"), [(False, 200), (True, 400)])
def test_an_api_can_require_bound_tokens_of_public_applications_only(start: Start, public: bool, status: int) -> None:
    tenant = start(api_with(public, required=True, required_for="public_clients"))
    code = tenant.sign_in()["code"]
    assert tenant.redeem(code, client_secret=None if public else tenant.agent[1]).status_code == status


def test_an_api_that_only_allows_bound_tokens_also_has_others(start: Start) -> None:
    assert machine_token(start(api_with(required=False))).status_code == 200


def without_page(tenant: Harness) -> Any:
    return tenant.http.post("/__mock__/sign-ins", json={})


def test_a_sign_in_by_the_control_api_gets_no_unbound_token_either(start: Start) -> None:
    required = start(lambda file: file["clients"][0].update(require_proof_of_possession=True))
    for refused in (without_page(required), without_page(start(api_with(required=True)))):
        assert refused.status_code == 400
        assert refused.json()["error"].startswith(WORDS)
    assert without_page(start(api_with(required=False))).status_code == 200
