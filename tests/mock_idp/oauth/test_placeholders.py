"""Placeholders for a subdomain in the URLs of an application (Auth0: Subdomain URL Placeholders)."""

from __future__ import annotations

from typing import Any

import pytest

CALLBACK = "https://*.example.com/callback"
ORGANIZATION = "https://{organization_name}.example.com/callback"
DATABASE = "Username-Password-Authentication"


def lists(*callbacks: str, **client: Any) -> Any:
    return lambda file: file["clients"][0].update(callbacks=list(callbacks), **client)


def with_organization(*callbacks: str, usage: str = "allow") -> Any:
    def change(file: dict[str, Any]) -> None:
        lists(*callbacks, organization_usage=usage)(file)
        file["organizations"] = [{"name": "acme", "connections": [{"name": DATABASE}]}]

    return change


def acme(file: dict[str, Any]) -> None:
    file["organizations"] = {"acme": {"id": "org_acme", "members": ["alice@example.com"]}}


def is_accepted(response: Any) -> bool:
    return response.status_code == 302 and response.headers["location"].startswith("/u/login")


@pytest.mark.parametrize(
    ("registered", "sent"),
    [
        (CALLBACK, "https://a.example.com/callback"),
        ("https://pr-*-web.example.com/callback", "https://pr-17-web.example.com/callback"),
        ("http://*.example.com:8080/callback?x=1", "http://a-1.example.com:8080/callback?x=1"),
    ],
)
def test_a_wildcard_stands_for_one_subdomain(start: Any, registered: str, sent: str) -> None:
    tenant = start(lists(registered))
    assert tenant.sign_in(redirect_uri=sent)["code"]


@pytest.mark.parametrize(
    "sent",
    [
        "https://example.com/callback",
        "https://a.b.example.com/callback",
        "https://.example.com/callback",
        "http://a.example.com/callback",
        "https://a.example.com/callback/",
        "https://a.example.com/callback?x=1",
        "https://a.example.com:444/callback",
        "https://a.example.com.evil.example/callback",
        "https://evil.example/.example.com/callback",
        "https://evil.example?.example.com/callback",
        "https://evil.example#.example.com/callback",
        "https://evil.example\\.example.com/callback",
        "https://evil.example%2f.example.com/callback",
        "https://user@a.example.com/callback",
        "https://a@evil.example/callback",
        "https://a.example.com/callback\n",
        "https://*.example.com/callback",
        "https://{organization_name}.example.com/callback",
    ],
)
def test_a_wildcard_stands_for_nothing_else(start: Any, sent: str) -> None:
    response = start(lists(CALLBACK, ORGANIZATION)).authorize(redirect_uri=sent)
    assert response.status_code == 400
    assert "location" not in response.headers


@pytest.mark.parametrize(
    ("registered", "sent"),
    [
        ("https://*.com/callback", "https://example.com/callback"),
        ("https://sub.*.example.com/callback", "https://sub.a.example.com/callback"),
        ("https://*.*.example.com/callback", "https://a.b.example.com/callback"),
        ("https://a*b*.example.com/callback", "https://a1b2.example.com/callback"),
        ("https://*/callback", "https://example.com/callback"),
        ("https://app.example.com/*", "https://app.example.com/callback"),
        ("com.example.*.app://callback", "com.example.x.app://callback"),
        ("*", "https://app.example.com/callback"),
    ],
)
def test_a_wildcard_in_another_place_matches_nothing(start: Any, registered: str, sent: str) -> None:
    assert start(lists(registered)).authorize(redirect_uri=sent).status_code == 400


def test_a_wildcard_is_not_the_callback_of_a_request_that_names_none(start: Any) -> None:
    assert start(lists(CALLBACK)).authorize(redirect_uri=None).status_code == 400


def test_a_third_party_application_has_no_placeholders(start: Any) -> None:
    def change(file: dict[str, Any]) -> None:
        grant = {"default_for": "third_party_clients", "audience": "http://localhost:5555/mcp"}
        file["clientGrants"].append({**grant, "subject_type": "user", "scope": ["access:mcp"]})
        file["databases"][0]["is_domain_connection"] = True
        lists(
            CALLBACK, "https://exact.example.com/callback", is_first_party=False, web_origins=["https://*.b.example"]
        )(file)

    tenant = start(change)
    assert is_accepted(tenant.authorize(redirect_uri="https://exact.example.com/callback"))
    for sent in ("https://a.example.com/callback", CALLBACK):
        assert tenant.authorize(redirect_uri=sent).status_code == 400
    preflight = {"Origin": "https://a.b.example", "Access-Control-Request-Method": "POST"}
    assert "access-control-allow-origin" not in tenant.http.options("/oauth/token", headers=preflight).headers


def test_the_name_of_the_requests_organization_is_filled_in(start: Any) -> None:
    tenant = start(with_organization(ORGANIZATION), acme)
    sent = "https://acme.example.com/callback"
    assert tenant.sign_in(redirect_uri=sent, organization="org_acme")["code"]
    assert tenant.authorize(redirect_uri=sent).status_code == 400
    other = tenant.authorize(redirect_uri="https://bolt.example.com/callback", organization="org_acme")
    assert other.status_code == 400


@pytest.mark.parametrize(
    "registered",
    [
        "https://x-{organization_name}.example.com/callback",
        "https://{organization_name}-x.example.com/callback",
        "https://{organization_name}.com/callback",
        "https://sub.{organization_name}.example.com/callback",
        "https://{organization_name}.{organization_name}.example.com/callback",
        "https://example.com/{organization_name}",
    ],
)
def test_the_name_of_an_organization_in_another_place_matches_nothing(start: Any, registered: str) -> None:
    tenant = start(with_organization(registered), acme)
    sent = registered.replace("{organization_name}", "acme")
    assert tenant.authorize(redirect_uri=sent, organization="org_acme").status_code == 400


def test_a_client_for_individual_users_has_no_name_of_an_organization(start: Any) -> None:
    tenant = start(with_organization(ORGANIZATION, usage="deny"), acme)
    sent = "https://acme.example.com/callback"
    assert tenant.authorize(redirect_uri=sent, organization="org_acme").status_code == 400


@pytest.mark.parametrize(
    ("client", "listed"),
    [
        ({"callbacks": [CALLBACK], "allowed_logout_urls": ["https://*.example.com/bye"]}, []),
        ({"callbacks": ["https://*.com/cb"]}, ["clients[].callbacks: https://*.com/cb"]),
        ({"callbacks": [ORGANIZATION]}, [f"clients[].callbacks: {ORGANIZATION}"]),
        (
            {"web_origins": ["https://{custom_domain.metadata.public_app}.example.com"]},
            ["clients[].web_origins: https://{custom_domain.metadata.public_app}.example.com"],
        ),
        ({"callbacks": [CALLBACK], "is_first_party": False}, [f"clients[].callbacks: {CALLBACK}"]),
    ],
)
def test_a_placeholder_without_an_effect_is_listed(start: Any, client: Any, listed: list[str]) -> None:
    page = start(lambda file: file["clients"][0].update(client)).http.get("/?tab=not_played").text
    for name in listed:
        assert f"<code>{name}</code>" in page
    assert page.count("<li><code>clients[]") == len(listed)
