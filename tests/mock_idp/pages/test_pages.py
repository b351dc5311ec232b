from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlencode

import pytest

from mock_idp.console.view import TABS
from mock_idp.oauth.scopes import auth0_lines
from mock_idp.pages.policy import form_action
from mock_idp.tenant.model import User

CLIENT_SCHEMES = "cursor: raycast: vscode: vscode-insiders: warp: windsurf:"
HOSTILE = "<img src=x onerror=alert(1)>\"'"


def policy(page: Any) -> dict[str, str]:
    directives = [part.strip().partition(" ") for part in page.headers["content-security-policy"].split(";")]
    return {name: value for name, _, value in directives}


def login_page(tenant: Any, **changes: Any) -> Any:
    return tenant.http.get(tenant.authorize(**changes).headers["location"])


def consent_page(tenant: Any, **changes: Any) -> Any:
    redirect = tenant.follow(tenant.log_in(tenant.authorize(**{"prompt": "login", **changes})))
    return tenant.http.get(redirect.headers["location"])


def all_pages(tenant: Any) -> list[Any]:
    consent = consent_page(tenant)
    return [
        login_page(tenant.browser()),
        consent,
        tenant.http.get("/activate"),
        tenant.http.post("/activate", data={"user_code": "x"}),
        tenant.authorize(client_id="nobody"),
        tenant.http.get("/oidc/logout"),
        tenant.http.get("/v2/logout"),
        *(tenant.http.get("/", params={"tab": tab}) for tab in TABS),
    ]


def test_no_page_can_be_framed_or_cached_and_none_loads_foreign_scripts_or_styles(tenant: Any) -> None:
    for page in all_pages(tenant):
        directives = policy(page)
        assert directives["default-src"] == "'none'"
        assert directives["frame-ancestors"] == "'none'"
        assert directives["base-uri"] == "'none'"
        assert directives["style-src"] == "'self'"
        assert "unsafe" not in page.headers["content-security-policy"]
        assert "form-action" in directives
        assert page.headers["cache-control"] == "no-store"
        assert page.headers["x-content-type-options"] == "nosniff"
        assert page.headers["referrer-policy"] == "no-referrer"


def test_no_page_has_inline_styles_inline_scripts_or_foreign_resources(tenant: Any) -> None:
    for page in all_pages(tenant):
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", page.text)
        assert not re.search(r"<script(?![^>]*\ssrc=\"/u/static/)", page.text)
        for address in re.findall(r'<(?:link|img|script)[^>]+(?:href|src)="([^"]+)"', page.text):
            assert address.startswith("/u/static/")
            assert tenant.http.get(address).status_code == 200


def test_every_page_says_that_the_tenant_is_offline_and_for_development(tenant: Any) -> None:
    for page in all_pages(tenant):
        assert "Offline tenant" in page.text
        assert "for development only" in page.text


def test_the_form_policy_allows_only_possible_targets(tenant: Any) -> None:
    assert policy(login_page(tenant))["form-action"] == f"'self' http: https: {CLIENT_SCHEMES}"
    assert policy(consent_page(tenant))["form-action"] == f"'self' http: https: {CLIENT_SCHEMES}"
    assert policy(tenant.http.get("/activate"))["form-action"] == "'self'"
    assert policy(tenant.authorize(client_id="nobody"))["form-action"] == "'none'"
    assert policy(tenant.http.get("/"))["form-action"] == "'self'"


@pytest.mark.parametrize(
    ("leads_to", "sources"),
    [
        (None, "'self'"),
        ("", "'self'"),
        ("http://[::1]:5000/cb", f"'self' http: https: {CLIENT_SCHEMES}"),
        ("com.example.app:/callback", f"'self' http: https: com.example.app: {CLIENT_SCHEMES}"),
        ("CURSOR://anysphere/cb", f"'self' http: https: {CLIENT_SCHEMES}"),
        ("javascript:alert(1)", f"'self' http: https: {CLIENT_SCHEMES}"),
        ("data:text/html,x", f"'self' http: https: {CLIENT_SCHEMES}"),
        ("view-source:https://a.example/", f"'self' http: https: {CLIENT_SCHEMES}"),
        ("ms-settings:privacy", f"'self' http: https: {CLIENT_SCHEMES}"),
        ("x y;script-src *:/", f"'self' http: https: {CLIENT_SCHEMES}"),
    ],
)
def test_the_form_policy_allows_a_callbacks_own_scheme_but_no_dangerous_scheme(
    leads_to: str | None, sources: str
) -> None:
    assert form_action(leads_to) == sources


def test_the_login_page_has_labels_and_autocomplete(tenant: Any) -> None:
    page = login_page(tenant).text
    for part in (
        '<label for="username">',
        '<label for="password">',
        'autocomplete="username"',
        'autocomplete="current-password"',
        'id="action" name="action" value="default"',
    ):
        assert part in page


@pytest.mark.parametrize(("changes", "focused"), [({}, "username"), ({"login_hint": "alice@example.com"}, "password")])
def test_the_focus_is_on_the_first_field_to_fill_in(tenant: Any, changes: dict[str, str], focused: str) -> None:
    assert autofocused(login_page(tenant, **changes).text) == [focused]


def test_a_wrong_password_is_announced_and_keeps_the_email(tenant: Any) -> None:
    page = tenant.log_in(tenant.authorize(), password="wrong")
    assert page.status_code == 400
    assert autofocused(page.text) == ["password"]
    assert re.search(r'id="error-element-password" role="alert">Wrong email or password<', page.text)
    assert 'aria-invalid="true" aria-describedby="error-element-password"' in page.text
    assert 'value="alice@example.com"' in page.text
    assert 'value="wrong"' not in page.text


def test_only_a_published_user_fills_in_the_form(tenant: Any) -> None:
    address = tenant.authorize().headers["location"]
    page = tenant.http.get(f"{address}&fill=alice@example.com").text
    assert 'value="Wonderland-1"' in page
    assert autofocused(page) == ["action"]
    other = tenant.http.get(f"{address}&{urlencode({'fill': HOSTILE})}").text
    assert "<img src=x" not in other
    assert autofocused(other) == ["password"]


def test_only_passwords_from_the_file_are_shown(tenant: Any) -> None:
    users = tenant.idp.tenant.users
    carol = User(user_id="auth0|3", email="carol@example.com", password="Made-At-Run-Time")
    alice = next(user for user in users.values() if user.email == "alice@example.com")
    changed = alice.model_copy(update={"password": "Changed-At-Run-Time"})
    users.update({carol.user_id: carol, changed.user_id: changed})
    for page in (login_page(tenant).text, tenant.http.get("/?tab=users").text):
        assert "Run-Time" not in page
        assert "Builder-2" in page
    filled = tenant.http.get(f"{tenant.authorize().headers['location']}&fill=carol@example.com").text
    assert "Run-Time" not in filled


def test_the_list_of_users_is_limited(start: Any) -> None:
    def many(file: dict[str, Any]) -> None:
        file["users"] = [
            {"email": f"u{n}@example.com", "user_id": f"auth0|{n}", "password": "Password-1"} for n in range(50)
        ]

    page = login_page(start(offline=many)).text
    assert page.count("Password-1") == 8
    assert "42 more users" in page


def test_the_consent_page_shows_client_api_permissions_and_callback(tenant: Any) -> None:
    page = consent_page(tenant, scope="openid profile access:mcp offline_access").text
    for part in (
        "Gatehouse agent",
        "Gatehouse (offline)",
        "Gatehouse MCP server",
        "http://localhost:5555/mcp",
        "Use the MCP server and its tools",
        "Read your profile",
        "Stay signed in",
        '<strong id="callback-host">localhost:5000</strong>',
        'id="not-verifiable"',
        "alice@example.com",
    ):
        assert part in page
    assert autofocused(page) == []


def test_the_consent_page_shows_the_words_of_a_real_tenant_unless_the_flag_is_on(start: Any) -> None:
    assert "Mcp: access your mcp" in consent_page(start()).text
    flag = {"flags": {"use_scope_descriptions_for_consent": True}}
    page = consent_page(start(lambda file: file["tenant"].update(flag))).text
    assert "Mcp: access your mcp" not in page
    assert "Use the MCP server and its tools" in page


def test_a_verifiable_callback_needs_no_warning(start: Any) -> None:
    callback = "https://app.example/callback"
    tenant = start(lambda file: file["clients"][0].update(callbacks=[callback]))
    page = consent_page(tenant, redirect_uri=callback, prompt="consent").text
    assert '<strong id="callback-host">app.example</strong>' in page
    assert "not-verifiable" not in page


def test_a_callback_with_its_own_scheme_is_shown(start: Any) -> None:
    callback = "com.example.app:/callback"
    tenant = start(lambda file: file["clients"][0].update(callbacks=[callback]))
    page = consent_page(tenant, redirect_uri=callback)
    assert '<strong id="callback-host">com.example.app:</strong>' in page.text
    assert "not-verifiable" in page.text
    assert policy(page)["form-action"].startswith("'self' http: https: com.example.app: ")


def test_scopes_without_descriptions_are_grouped_as_auth0_groups_them() -> None:
    assert auth0_lines(["read:posts", "email", "write:posts", "x", "a:", ":b"]) == [
        "Posts: read and write your posts",
        "Email: access to your email address",
        "x",
        "a:",
        ":b",
    ]
    assert auth0_lines(["a:x", "b:x", "c:x"]) == ["X: a, b and c your x"]


def test_names_from_the_tenant_file_are_escaped(start: Any) -> None:
    def change(file: dict[str, Any]) -> None:
        file["tenant"]["friendly_name"] = HOSTILE
        file["resourceServers"][0]["name"] = HOSTILE
        file["resourceServers"][0]["scopes"][0]["description"] = HOSTILE

    tenant = start(change)
    for page in all_pages(tenant):
        assert "<img src=x" not in page.text


def test_the_form_post_page_works_without_its_script(start: Any) -> None:
    skip = "skip_non_verifiable_callback_uri_confirmation_prompt"
    tenant = start(lambda file: file["clients"][0].update({skip: True}))
    tenant.sign_in()
    page = tenant.authorize(prompt="none", response_mode="form_post")
    assert '<form method="post" action="http://localhost:5000/callback">' in page.text
    assert '<button type="submit"' in page.text
    assert policy(page)["script-src"] == "'self'"


def autofocused(page: str) -> list[str]:
    return [match[1] for match in re.finditer(r'<(?:input|button)[^>]*\bid="([^"]+)"[^>]*\sautofocus', page)]


def test_a_repeated_sign_in_is_a_confirmation_and_says_so(tenant: Any) -> None:
    consent = tenant.follow(tenant.log_in(tenant.authorize()))
    assert 'id="confirmation"' not in tenant.http.get(consent.headers["location"]).text
    tenant.follow(tenant.decide(consent))
    page = tenant.http.get(tenant.authorize().headers["location"]).text
    assert 'id="confirmation"' in page
    assert "needs no new consent" in page
    # Auth0's prompt has the words of the consent page, and no permissions.
    assert "<h1>Authorize App</h1>" in page
    assert "access:mcp" not in page


def test_a_long_name_is_cut_and_shown_whole_below(start: Any) -> None:
    name = "Name" * 60
    tenant = start(lambda file: file["resourceServers"][0].update(name=name))
    assert f'<strong title="{name}">{name[:59]}…</strong>' in consent_page(tenant).text
