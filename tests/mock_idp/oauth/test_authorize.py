from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest

UNKNOWN = "nobody"


def skip_confirmation(file: dict[str, Any]) -> None:
    file["clients"][0]["skip_non_verifiable_callback_uri_confirmation_prompt"] = True


def test_an_unknown_client_gets_a_page_and_no_redirect(tenant: Any) -> None:
    response = tenant.authorize(client_id=UNKNOWN)
    assert response.status_code == 400
    assert "Unknown client: nobody" in response.text


@pytest.mark.parametrize(
    "redirect_uri",
    [
        "http://localhost:5000/callback/",
        "http://localhost:5000/callback?x=1",
        "http://localhost:5001/callback",
        "http://127.0.0.1:5000/callback",
        "https://evil.example/callback",
        "http://localhost:5000/Callback",
    ],
)
def test_a_callback_that_is_not_exactly_registered_gets_a_page_and_no_redirect(tenant: Any, redirect_uri: str) -> None:
    response = tenant.authorize(redirect_uri=redirect_uri)
    assert response.status_code == 400
    assert "Callback URL mismatch." in response.text
    assert "http://localhost:5000/callback" in response.text
    assert "location" not in response.headers


@pytest.mark.parametrize(
    ("changes", "error", "description"),
    [
        ({"response_type": None}, "invalid_request", "Missing required parameter: response_type"),
        ({"response_type": "pigeon"}, "unsupported_response_type", "Unsupported response type: pigeon"),
        (
            {"dpop_jkt": "x"},
            "invalid_request",
            "The offline tenant does not have DPoP, and the request has the parameter dpop_jkt.",
        ),
        ({"audience": "http://nowhere/"}, "access_denied", "Service not found: http://nowhere/"),
        ({"audience": "http://localhost:5555/mcp/"}, "access_denied", "Service not found: http://localhost:5555/mcp/"),
        ({"code_challenge": "short"}, "invalid_request", None),
        ({"code_challenge_method": "S512"}, "invalid_request", None),
        ({"prompt": "none"}, "login_required", "Login required"),
        ({"prompt": "none login"}, "invalid_request", None),
        ({"max_age": "soon"}, "invalid_request", None),
        ({"response_mode": "pigeon"}, "invalid_request", None),
    ],
)
def test_a_refused_request_goes_back_to_the_callback_with_the_reason(
    tenant: Any, changes: dict[str, Any], error: str, description: str | None
) -> None:
    answer = tenant.callback_parameters(tenant.authorize(**changes))
    assert answer["error"] == error
    assert answer["state"] == "s-1"
    assert answer["iss"] == "http://localhost:9000/"
    if description is not None:
        assert answer["error_description"] == description


IMPLICIT_TYPES = ["token", "id_token", "id_token token", "code token", "code id_token", "code token id_token"]


@pytest.mark.parametrize("response_type", IMPLICIT_TYPES)
def test_a_response_type_that_needs_the_implicit_grant_gets_auth0s_page_without_it(
    tenant: Any, response_type: str
) -> None:
    response = tenant.authorize(response_type=response_type)
    assert response.status_code == 403
    assert "Grant type &#39;implicit&#39; not allowed for the client." in response.text
    assert "unauthorized_client" in response.text
    assert 'data-code="implicit_not_allowed"' in response.text
    assert "location" not in response.headers


@pytest.mark.parametrize("response_type", IMPLICIT_TYPES)
def test_a_client_with_the_implicit_grant_is_told_that_the_offline_tenant_does_not_have_it(
    start: Any, response_type: str
) -> None:
    tenant = start(lambda file: file["clients"][0]["grant_types"].append("implicit"))
    answer = tenant.callback_parameters(tenant.authorize(response_type=response_type))
    assert answer["error"] == "unsupported_response_type"
    assert answer["error_description"].startswith(
        f"The offline tenant does not have the response type {response_type},"
    )


def test_a_client_without_the_code_grant_gets_a_page(start: Any) -> None:
    tenant = start(lambda file: file["clients"][0].update(grant_types=["implicit"]))
    for response_type in ("code", "code token"):
        response = tenant.authorize(response_type=response_type)
        assert response.status_code == 403
        assert "Grant type &#39;authorization_code&#39; not allowed for the client." in response.text
        assert "location" not in response.headers


@pytest.mark.parametrize("parameter", ["request", "request_uri"])
@pytest.mark.parametrize("redirect_uri", ["http://localhost:5000/callback", None])
def test_a_request_object_is_refused_on_a_page_and_never_ignored(
    start: Any, parameter: str, redirect_uri: str | None
) -> None:
    tenant = start(lambda file: file["clients"][0]["callbacks"].append("http://localhost:5000/other"))
    response = tenant.authorize(redirect_uri=redirect_uri, **{parameter: "https://app.example/request.jwt"})
    assert response.status_code == 400
    assert f"{parameter}_not_supported" in response.text
    assert 'data-code="parameter_unavailable"' in response.text
    assert "location" not in response.headers


def test_a_parameter_sent_twice_is_refused(tenant: Any) -> None:
    response = tenant.http.get("/authorize?client_id=a&client_id=b")
    assert response.status_code == 400
    assert "Parameter sent more than once: client_id" in response.text


def test_resource_selects_the_api_under_the_compatibility_profile(tenant: Any) -> None:
    answer = tenant.tokens(audience=None, resource="http://localhost:5555/mcp")
    assert answer["access_token"].count(".") == 2


def test_resource_is_ignored_under_the_audience_profile_and_the_token_is_opaque(start: Any) -> None:
    tenant = start(lambda file: file["tenant"].update(resource_parameter_profile="audience"))
    answer = tenant.tokens(audience=None, resource="http://localhost:5555/mcp")
    assert answer["access_token"].count(".") == 4
    assert ".." in answer["access_token"]


def test_audience_has_priority_over_resource(tenant: Any) -> None:
    tokens = tenant.tokens(resource="http://nowhere/")
    assert tokens["access_token"].count(".") == 2


def test_the_default_audience_is_used_if_the_request_names_no_api(start: Any) -> None:
    tenant = start(lambda file: file["tenant"].update(default_audience="http://localhost:5555/mcp"))
    assert tenant.tokens(audience=None)["access_token"].count(".") == 2


def test_a_wrong_password_shows_the_page_again_with_400(tenant: Any) -> None:
    response = tenant.log_in(tenant.authorize(), password="wrong")
    assert response.status_code == 400
    assert 'id="error-element-password"' in response.text
    assert "Wrong email or password" in response.text
    assert 'value="alice@example.com"' in response.text


def test_the_login_page_shows_the_users_of_the_file_and_the_hint(tenant: Any) -> None:
    redirect = tenant.authorize(login_hint="bob@example.com")
    page = tenant.http.get(redirect.headers["location"]).text
    for part in ('id="username"', 'id="password"', 'id="action"', "Wonderland-1", 'value="bob@example.com"'):
        assert part in page


def test_a_form_from_another_browser_is_refused(tenant: Any) -> None:
    redirect = tenant.authorize()
    response = tenant.browser().log_in(redirect)
    assert response.status_code == 400
    assert "couldn&#39;t find your session" in response.text
    assert "location" not in response.headers


def test_a_first_party_client_on_localhost_asks_for_consent_once(tenant: Any) -> None:
    response = tenant.follow(tenant.log_in(tenant.authorize()))
    page = tenant.http.get(response.headers["location"]).text
    assert "Gatehouse agent" in page
    assert "access:mcp" in page
    assert "localhost:5000" in page
    assert "code" in tenant.callback_parameters(tenant.follow(tenant.decide(response)))
    again = tenant.follow(tenant.log_in(tenant.authorize(prompt="login")))
    assert "code" in tenant.callback_parameters(again)


def test_a_second_request_in_the_same_browser_needs_no_password_but_a_confirmation(tenant: Any) -> None:
    tenant.sign_in()
    response = tenant.authorize()
    assert urlsplit(response.headers["location"]).path == "/u/consent"
    assert "code" in tenant.callback_parameters(tenant.follow(tenant.decide(response)))


def test_the_confirmation_can_be_switched_off(start: Any) -> None:
    name = "skip_non_verifiable_callback_uri_confirmation_prompt"
    tenant = start(lambda file: file["tenant"].update({name: True}))
    tenant.sign_in()
    assert "code" in tenant.callback_parameters(tenant.authorize())


def test_prompt_none_is_refused_if_a_confirmation_is_needed(tenant: Any) -> None:
    tenant.sign_in()
    assert tenant.callback_parameters(tenant.authorize(prompt="none"))["error"] == "interaction_required"


def test_prompt_none_works_with_a_session_and_a_remembered_consent(start: Any) -> None:
    tenant = start(skip_confirmation)
    tenant.sign_in()
    assert "code" in tenant.callback_parameters(tenant.authorize(prompt="none"))


def test_prompt_none_without_consent_is_consent_required(tenant: Any) -> None:
    tenant.follow(tenant.log_in(tenant.authorize()))
    assert tenant.callback_parameters(tenant.authorize(prompt="none"))["error"] == "consent_required"


def test_prompt_consent_asks_again(tenant: Any) -> None:
    tenant.sign_in()
    assert urlsplit(tenant.authorize(prompt="consent").headers["location"]).path == "/u/consent"


@pytest.mark.parametrize("changes", [{"prompt": "login"}, {"max_age": "0"}])
def test_a_session_is_not_enough_if_the_request_requires_a_new_login(tenant: Any, changes: dict[str, str]) -> None:
    tenant.sign_in()
    tenant.idp.clock.shift(1)
    redirect = tenant.authorize(**changes)
    assert urlsplit(redirect.headers["location"]).path == "/u/login"
    assert "code" in tenant.callback_parameters(tenant.follow(tenant.log_in(redirect)))


def test_declined_consent_is_access_denied(tenant: Any) -> None:
    response = tenant.follow(tenant.log_in(tenant.authorize()))
    answer = tenant.callback_parameters(tenant.decide(response, "deny"))
    assert answer["error"] == "access_denied"
    assert answer["state"] == "s-1"


def test_a_transaction_ends_with_its_answer(tenant: Any) -> None:
    redirect = tenant.authorize()
    tenant.follow(tenant.decide(tenant.follow(tenant.log_in(redirect))))
    assert tenant.http.get(redirect.headers["location"]).status_code == 400


def test_fragment_and_form_post_response_modes(start: Any) -> None:
    tenant = start(skip_confirmation)
    tenant.sign_in()
    fragment = tenant.authorize(prompt="none", response_mode="fragment")
    assert "code=" in urlsplit(fragment.headers["location"]).fragment
    page = tenant.authorize(prompt="none", response_mode="form_post")
    assert page.status_code == 200
    assert 'action="http://localhost:5000/callback"' in page.text
    assert "script-src 'self'" in page.headers["content-security-policy"]
    assert "<script src=" in page.text


def test_text_from_the_request_is_escaped_on_the_pages(tenant: Any) -> None:
    response = tenant.authorize(client_id="<script>alert(1)</script>")
    assert "<script>alert" not in response.text
    assert response.headers["x-frame-options"] == "DENY"
    assert response.headers["cache-control"] == "no-store"


def third_party(file: dict[str, Any]) -> None:
    file["clients"].append(
        {
            "name": "Third",
            "is_first_party": False,
            "callbacks": ["http://localhost:5000/callback"],
            "grant_types": ["authorization_code", "refresh_token"],
            "token_endpoint_auth_method": "none",
        }
    )


def third(harness: Any) -> str:
    return next(client.client_id for client in harness.idp.tenant.clients.values() if client.name == "Third")


def test_a_third_party_client_can_use_only_domain_level_connections(start: Any) -> None:
    tenant = start(third_party)
    response = tenant.authorize(client_id=third(tenant))
    assert response.status_code == 400
    assert "no connections enabled for the client" in response.text
    assert "is_domain_connection" in response.text


def test_a_strict_third_party_client_needs_pkce_a_grant_and_gets_no_identity(start: Any) -> None:
    def change(file: dict[str, Any]) -> None:
        third_party(file)
        file["databases"][0]["is_domain_connection"] = True

    tenant = start(change)
    client = third(tenant)
    assert "PKCE is mandatory" in tenant.authorize(client_id=client, code_challenge=None).text
    assert "Client is not authorized to access resource server" in tenant.authorize(client_id=client).text
    assert "Parameter not allowed: screen_hint" in tenant.authorize(client_id=client, screen_hint="signup").text

    def with_grant(file: dict[str, Any]) -> None:
        change(file)
        grant = {"default_for": "third_party_clients", "audience": "http://localhost:5555/mcp"}
        file["clientGrants"].append({**grant, "subject_type": "user", "scope": ["access:mcp"]})

    tenant = start(with_grant)
    code = tenant.sign_in(client_id=third(tenant))["code"]
    answer = tenant.redeem(code, client=(third(tenant), None)).json()
    assert "id_token" not in answer
    assert answer["scope"] == "access:mcp"
