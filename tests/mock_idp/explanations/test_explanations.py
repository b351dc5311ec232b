from __future__ import annotations

import html
import re
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from mock_idp.explanations import Case, explain

API = "http://localhost:5555/mcp"
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
HOSTILE = "<script>alert(1)</script>\"'&{client}**`"


def keeps_errors(file: dict[str, Any]) -> None:
    """Change the client so that its errors stay on a page."""
    file["clients"][0]["redirection_policy"] = "open_redirect_protection"


def third_party(file: dict[str, Any]) -> None:
    """Make the client a strict third-party client with a complete setup."""
    keeps_errors(file)
    file["clients"][0]["is_first_party"] = False
    file["databases"][0]["is_domain_connection"] = True
    grant = {"default_for": "third_party_clients", "audience": API, "subject_type": "user", "scope": ["access:mcp"]}
    file["clientGrants"].append(grant)


def without(*path: Any) -> Callable[[dict[str, Any]], None]:
    """`third_party` without the value at `path`."""

    def change(file: dict[str, Any]) -> None:
        third_party(file)
        place: Any = file
        for step in path[:-1]:
            place = place[step]
        del place[path[-1]]

    return change


def both(*changes: Callable[[dict[str, Any]], None]) -> Callable[[dict[str, Any]], None]:
    return lambda file: [change(file) for change in changes] and None


def users_policy(policy: str) -> Callable[[dict[str, Any]], None]:
    setting = {"user": {"policy": policy}}
    return both(keeps_errors, lambda file: file["resourceServers"][0].update(subject_type_authorization=setting))


@pytest.mark.parametrize(
    ("change", "request_changes", "code", "setting"),
    [
        (None, {"client_id": "nobody"}, "unknown_client", "clients[].name"),
        (None, {"client_id": "tpc_stale"}, "unknown_registered_client", None),
        (None, {"client_id": None}, "client_id_missing", None),
        (None, {"redirect_uri": "http://localhost:5000/callback/"}, "callback_mismatch", "clients[].callbacks"),
        (
            lambda file: file["clients"][0].update(callbacks=["http://a/", "http://b/"]),
            {"redirect_uri": None},
            "callback_missing",
            "clients[].callbacks",
        ),
        (keeps_errors, {"response_type": None}, "response_type_missing", None),
        (keeps_errors, {"response_type": "pigeon"}, "response_type_unsupported", None),
        (third_party, {"response_type": "token"}, "response_type_unsupported", None),
        (keeps_errors, {"response_type": "token"}, "implicit_not_allowed", None),
        (
            both(keeps_errors, lambda file: file["clients"][0]["grant_types"].append("implicit")),
            {"response_type": "token"},
            "response_type_unavailable",
            None,
        ),
        (keeps_errors, {"request": "x"}, "parameter_unavailable", None),
        (keeps_errors, {"dpop_jkt": "x"}, "parameter_unavailable", None),
        (keeps_errors, {"response_mode": "pigeon"}, "response_mode_unsupported", None),
        (
            both(keeps_errors, lambda file: file["clients"][0].update(grant_types=["refresh_token"])),
            {},
            "grant_type_not_allowed",
            "clients[].grant_types",
        ),
        (keeps_errors, {"audience": "http://nowhere/"}, "service_not_found", "resourceServers[].identifier"),
        (keeps_errors, {"audience": f"{API}/"}, "service_near_miss", "resourceServers[].identifier"),
        (keeps_errors, {"audience": "https://localhost:5555/mcp"}, "service_near_miss", "resourceServers[].identifier"),
        (
            both(keeps_errors, lambda file: file["databases"][0].update(enabled_clients=[])),
            {},
            "no_connections",
            "databases[].enabled_clients",
        ),
        (
            without("databases", 0, "is_domain_connection"),
            {},
            "no_domain_connection",
            "databases[].is_domain_connection",
        ),
        (without("clientGrants", -1), {}, "no_client_grant_third_party", "clientGrants[].default_for"),
        (users_policy("require_client_grant"), {}, "no_client_grant", "clientGrants[]"),
        (
            users_policy("deny_all"),
            {},
            "user_access_denied",
            "resourceServers[].subject_type_authorization.user.policy",
        ),
        (third_party, {"code_challenge": None, "code_challenge_method": None}, "pkce_missing", None),
        (keeps_errors, {"code_challenge": None}, "pkce_incomplete", None),
        (keeps_errors, {"code_challenge": "short"}, "pkce_malformed", None),
        (keeps_errors, {"code_challenge_method": "S512"}, "pkce_method_unsupported", None),
        (third_party, {"screen_hint": "signup"}, "parameter_not_allowed", None),
        (keeps_errors, {"prompt": "dance"}, "parameter_malformed", None),
        (keeps_errors, {"max_age": "soon"}, "parameter_malformed", None),
        (keeps_errors, {"prompt": "none"}, "login_required", None),
    ],
)
def test_an_error_page_explains_itself(
    start: Any, change: Any, request_changes: dict[str, Any], code: str, setting: str | None
) -> None:
    tenant = start(change)
    client = next(c for c in tenant.idp.tenant.clients.values() if c.name == "Gatehouse agent")
    page = tenant.authorize(**{"client_id": client.client_id, **request_changes})
    assert page.status_code in (400, 403)
    assert f'data-code="{code}"' in page.text
    assert "explain-why" in page.text
    assert "explain-fix" in page.text
    assert "explain-real" in page.text
    assert "?" not in shown(page.text, "explain-why"), "a fact is missing"
    if setting is not None:
        assert shown(page.text, "explain-setting").startswith(setting)
        assert "Applications" in page.text or "Authentication" in page.text
    japanese = tenant.authorize(**{"client_id": client.client_id, **request_changes, "ui_locales": "ja"})
    assert f'data-code="{code}"' in japanese.text
    assert "理由" in japanese.text


def test_an_error_page_says_if_the_application_does_not_receive_the_error(start: Any) -> None:
    kept = start(keeps_errors).authorize(audience="http://nowhere/").text
    assert "explain-kept" in kept
    assert "open_redirect_protection" in kept
    assert "explain-kept" not in start().authorize(client_id="nobody").text


def test_a_callback_mismatch_page_shows_the_sent_url_the_allowed_urls_and_the_difference(tenant: Any) -> None:
    page = tenant.authorize(redirect_uri="http://localhost:5000/callback/").text
    assert shown(page, "explain-sent") == "http://localhost:5000/callback/"
    assert shown(page, "explain-registered") == "http://localhost:5000/callback"
    assert shown(page, "explain-difference") == "the slash at the end"
    assert "Applications › Applications › Gatehouse agent › Settings › Allowed Callback URLs" in shown(
        page, "explain-dashboard"
    )


@pytest.mark.parametrize(
    ("audience", "difference"),
    [(f"{API}/", "the slash at the end"), ("https://localhost:5555/mcp", "the scheme (http or https)")],
)
def test_the_page_for_an_unknown_api_shows_the_most_similar_identifier(
    start: Any, audience: str, difference: str
) -> None:
    page = start(keeps_errors).authorize(audience=audience).text
    assert shown(page, "explain-nearest") == API
    assert shown(page, "explain-difference") == difference


def test_a_lost_sign_in_and_another_browser_have_different_explanations(tenant: Any) -> None:
    assert 'data-code="transaction_lost"' in tenant.http.get("/u/login?state=never").text
    redirect = tenant.authorize()
    foreign = tenant.browser().http.get(redirect.headers["location"])
    assert 'data-code="other_browser"' in foreign.text
    tenant.idp.clock.shift(3601)
    assert 'data-code="transaction_lost"' in tenant.http.get(redirect.headers["location"]).text


def test_a_declined_consent_that_stays_on_the_page_is_explained(start: Any) -> None:
    tenant = start(keeps_errors)
    page = tenant.decide(tenant.follow(tenant.log_in(tenant.authorize())), "deny")
    assert page.status_code == 403
    assert 'data-code="consent_declined"' in page.text
    assert "User did not authorize the request" in page.text


def test_repeated_parameters_and_malformed_forms_are_explained(tenant: Any) -> None:
    assert 'data-code="parameter_repeated"' in tenant.http.get("/authorize?client_id=a&client_id=b").text
    for path in ("/authorize", "/u/login", "/u/consent", "/activate", "/oidc/logout", "/u/logout"):
        page = tenant.http.post(path, content="é=1".encode())
        assert page.status_code == 400
        assert 'data-code="form_malformed"' in page.text


def test_the_logout_pages_explain_themselves(tenant: Any) -> None:
    logout = {"client_id": tenant.agent[0], "returnTo": "http://evil.example/"}
    page = tenant.http.get("/v2/logout", params=logout)
    assert 'data-code="logout_url_not_allowed"' in page.text
    del logout["client_id"]
    assert 'data-code="logout_url_not_allowed_tenant"' in tenant.http.get("/v2/logout", params=logout).text
    assert 'data-code="logout_hint_invalid"' in tenant.http.get("/oidc/logout?id_token_hint=x").text
    assert 'data-code="unknown_client"' in tenant.http.get("/v2/logout?client_id=nobody").text
    assert 'data-code="logout_lost"' in tenant.http.post("/u/logout", data={"state": "x"}).text


def test_text_from_a_request_is_never_markup(start: Any) -> None:
    def change(file: dict[str, Any]) -> None:
        keeps_errors(file)
        file["resourceServers"][0]["name"] = HOSTILE

    tenant = start(change)
    pages = [
        tenant.authorize(client_id=HOSTILE),
        tenant.authorize(redirect_uri=HOSTILE),
        tenant.authorize(audience=HOSTILE),
        tenant.authorize(response_type=HOSTILE),
        tenant.authorize(response_mode=HOSTILE),
        tenant.authorize(prompt=HOSTILE),
        tenant.http.get("/v2/logout", params={"returnTo": HOSTILE}),
        tenant.http.get("/activate", params={"user_code": HOSTILE, "ui_locales": HOSTILE}),
        tenant.http.get("/authorize", params=[(HOSTILE, "1"), (HOSTILE, "2")]),
    ]
    for page in pages:
        assert "<script>" not in page.text
        assert "&lt;script" in page.text


def test_a_snippet_is_yaml_with_the_values_of_the_request() -> None:
    for sent in ("http://localhost:1/cb", "yes", "a: b", "- x", "'", '"', "{}", "x\ny", "5", "null", "#x", HOSTILE):
        snippet = explain(Case("callback_mismatch", client=HOSTILE, sent=sent)).snippet
        assert yaml.safe_load(snippet) == {"clients": [{"name": HOSTILE, "callbacks": [sent]}]}
    grant = explain(Case("no_client_grant", client="A b", api=API, api_name="x", scopes=("a:b", "c"))).snippet
    assert yaml.safe_load(grant)["clientGrants"][0]["scope"] == ["a:b", "c"]


def test_long_facts_are_shortened() -> None:
    explanation = explain(Case("callback_mismatch", sent="x" * 9000, registered=tuple(map(str, range(1000)))))
    assert len(explanation.details["sent"][0]) == 501
    assert len(explanation.details["registered"]) == 21


def test_the_reason_is_also_available_as_plain_text() -> None:
    case = Case("service_near_miss", sent="a/", nearest="a", difference=("trailing_slash",))
    assert "The tenant has `a`, but the request names `a/`." in str(explain(case).why)


def shown(page: str, element: str) -> str:
    """The text of an element, without its markup."""
    found = re.search(rf'id="{element}"[^>]*>(.*?)</(?:dd|p)>', page, re.DOTALL)
    assert found is not None, element
    return " ".join(html.unescape(re.sub(r"<[^>]+>", "", found[1])).split())
