from __future__ import annotations

import html
import re
from typing import Any

import pytest

from mock_idp.console import ConsoleAccess
from mock_idp.console.activity import MOST_EVENTS, MOST_SIGN_INS
from mock_idp.console.overview import MOST
from mock_idp.journal import MAX_ENTRIES
from mock_idp.pages.texts import texts
from mock_idp.tenant import TenantSettings

API = "http://localhost:5555/mcp"
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
HOSTILE = "<script>alert(1)</script>\"'&{x}`"
OTHER_SITE = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "script"}


def console(tenant: Any, **headers: str) -> Any:
    return tenant.http.get("/", headers=headers)


def headlines(tenant: Any) -> list[str]:
    """The sign-ins as the console sums them up, newest first."""
    page = console(tenant).text
    found = re.findall(r"<summary>\s*<h3>(.*?)</h3>\s*<span class=\"state ([a-z]+)\">", page, re.DOTALL)
    return [f"{re.sub('<[^>]+>', '', title)}: {state}" for title, state in found]


def kinds(tenant: Any) -> list[str]:
    """The messages of the newest sign-in, by sender, receiver and title."""
    newest = console(tenant).text.split('<details class="sign-in"')[1]
    steps = re.findall(r'<li class="step from-([a-z]+) to-([a-z]+)[^>]*>.*?<h4>(.*?)</h4>', newest, re.DOTALL)
    return [f"{sender} {receiver}: {html.unescape(title)}" for sender, receiver, title in steps]


def test_the_console_shows_users_clients_apis_connections_and_settings_with_their_keys(tenant: Any) -> None:
    page = console(tenant).text
    for part in (
        "alice@example.com",
        "Wonderland-1",
        "access:mcp",
        "Gatehouse agent",
        tenant.agent[0],
        "http://localhost:5000/callback",
        "Gatehouse MCP server",
        API,
        "rfc9068_profile_authz",
        "Username-Password-Authentication",
        "is_domain_connection",
        "tenant.resource_parameter_profile",
        "tenant.flags.enable_dynamic_client_registration",
        "tenant.oidc_logout.rp_logout_end_session_endpoint_discovery",
        "http://localhost:9000/.well-known/jwks.json",
    ):
        assert part in page


def test_every_setting_of_the_tenant_is_explained() -> None:
    assert {f"setting.{name}" for name in vars(TenantSettings())} <= texts("en").keys()


def test_the_console_speaks_japanese(tenant: Any) -> None:
    tenant.tokens()
    page = console(tenant, **{"Accept-Language": "ja"}).text
    assert '<html lang="ja">' in page
    assert "最近のログイン" in page
    assert "アプリケーションがコードをトークンに交換する" in page


def test_a_sign_in_is_told_from_the_applications_question_to_the_servers_key_fetch(tenant: Any) -> None:
    tenant.http.get("/.well-known/openid-configuration")
    redirect = tenant.authorize()
    tenant.http.get(redirect.headers["location"])
    tenant.log_in(redirect, password="wrong")
    consent = tenant.follow(tenant.log_in(redirect))
    tenant.http.get(consent.headers["location"])
    code = tenant.callback_parameters(tenant.follow(tenant.decide(consent)))["code"]
    tenant.redeem(code)
    tenant.http.get("/.well-known/jwks.json")
    assert kinds(tenant) == [
        "client tenant: The application looks up the tenant's addresses",
        "client browser: The application opens the browser",
        "browser tenant: The browser asks for a sign-in",
        "browser tenant: The tenant shows its login page",
        "browser tenant: The person sends a wrong email or password",
        "browser tenant: The person sends email and password",
        "browser tenant: The sign-in goes on",
        "browser tenant: The tenant asks for consent",
        "browser tenant: The person agrees",
        "browser tenant: The sign-in goes on",
        "browser client: The browser brings the application a code",
        "client tenant: The application exchanges the code for tokens",
        "server tenant: The API server fetches the tenant's public keys",
        "client server: The application calls the API",
    ]
    assert headlines(tenant) == ["alice@example.com signs in to Gatehouse agent: worked"]


def test_two_sign_ins_at_the_same_time_are_kept_apart(tenant: Any) -> None:
    bob = tenant.browser()
    ways = [(tenant, "alice@example.com", tenant.authorize()), (bob, "bob@example.com", bob.authorize())]
    consents = [(one, one.follow(one.log_in(redirect, email))) for one, email, redirect in ways]
    codes = [one.callback_parameters(one.follow(one.decide(consent)))["code"] for one, consent in consents]
    for code in reversed(codes):
        tenant.redeem(code)
    assert headlines(tenant) == [
        "bob@example.com signs in to Gatehouse agent: surprising",
        "alice@example.com signs in to Gatehouse agent: worked",
    ]


def test_a_refreshed_token_belongs_to_its_sign_in_and_a_revoked_one_too(tenant: Any) -> None:
    tokens = tenant.tokens(scope="openid access:mcp offline_access")
    tenant.token(grant_type="refresh_token", refresh_token=tokens["refresh_token"])
    tenant.http.post("/oauth/revoke", data={"client_id": tenant.agent[0], "token": tokens["refresh_token"]})
    titles = kinds(tenant)
    assert "client tenant: The application gets new tokens" in titles
    assert len(headlines(tenant)) == 1


def test_a_device_is_one_sign_in_however_often_it_asks(start: Any) -> None:
    def television(file: dict[str, Any]) -> None:
        file["clients"].append({"name": "Television", "app_type": "native", "grant_types": [DEVICE]})
        file["databases"][0]["enabled_clients"].append("Television")

    tenant = start(television)
    client_id = next(c.client_id for c in tenant.idp.tenant.clients.values() if c.name == "Television")
    form = {"client_id": client_id, "scope": "access:mcp", "audience": API}
    device = tenant.http.post("/oauth/device/code", data=form).json()
    poll = {"client_id": client_id, "grant_type": DEVICE, "device_code": device["device_code"]}
    for _ in range(3):
        tenant.http.post("/oauth/token", data=poll)
        tenant.idp.clock.shift(tenant.idp.clock.setting.offset + 6)
    assert headlines(tenant) == ["The device Television wants to be connected: waiting"]
    assert "(3 times)" in console(tenant).text
    typed = {"user_code": device["user_code"].lower()}
    redirect = tenant.follow(tenant.http.post("/activate", data=typed))
    tenant.follow(tenant.decide(tenant.follow(tenant.log_in(redirect))))
    tenant.http.post("/oauth/token", data=poll)
    assert headlines(tenant) == ["alice@example.com connects the device Television: worked"]


def test_an_application_without_a_user_is_shown_as_such(tenant: Any) -> None:
    tenant.token(tenant.machine, grant_type="client_credentials", audience=API)
    assert headlines(tenant) == ["Gatehouse machine gets a token of its own, without a user: worked"]


@pytest.mark.parametrize(
    ("change", "request_changes", "words"),
    [
        ({}, {"client_id": "nobody"}, "The tenant has no application with the id"),
        (
            {},
            {"redirect_uri": "http://localhost:5000/callback/"},
            "Auth0 compares callback URLs character by character",
        ),
        ({}, {"audience": f"{API}/"}, "Auth0 compares API identifiers character by character"),
        ({}, {"prompt": "none"}, "nobody is signed in here"),
    ],
)
def test_a_failed_sign_in_is_explained_even_where_the_application_alone_is_told(
    tenant: Any, change: Any, request_changes: dict[str, Any], words: str
) -> None:
    tenant.authorize(**request_changes)
    assert headlines(tenant)[0].endswith(": failed")
    assert words in console(tenant).text


def test_a_refused_exchange_is_explained(tenant: Any) -> None:
    tenant.redeem(tenant.sign_in()["code"], code_verifier="w" * 43)
    assert headlines(tenant) == ["alice@example.com signs in to Gatehouse agent: failed"]
    assert "PKCE: the hash of" in console(tenant).text
    tenant.token((tenant.agent[0], "wrong"), grant_type="refresh_token", refresh_token="x")
    assert "could not prove who it is" in console(tenant).text


@pytest.mark.parametrize(
    ("preset", "changes", "words"),
    [
        ("opaque-token", {"audience": None, "resource": API}, "The tenant ignores <code>resource</code>"),
        ("role-missing", {"scope": "access:mcp"}, "the token grants nothing at the API"),
        ("hs256-api", {}, "The API signs with HS256"),
    ],
)
def test_tokens_that_no_server_will_take_are_pointed_out(
    tenant: Any, preset: str, changes: dict[str, Any], words: str
) -> None:
    tenant.http.post(f"/__mock__/presets/{preset}")
    tenant.tokens(**changes)
    assert headlines(tenant)[0].endswith(": surprising")
    assert words in console(tenant).text


def test_a_registration_that_is_off_is_explained(start: Any) -> None:
    tenant = start(lambda file: file["tenant"].update(flags={"enable_dynamic_client_registration": False}))
    tenant.http.post("/oidc/register", json={"redirect_uris": ["http://localhost:1/cb"]})
    assert "the tenant does not allow that" in console(tenant).text


def test_the_log_has_auth0s_codes_in_words(tenant: Any) -> None:
    tenant.log_in(tenant.authorize(), password="wrong")
    page = console(tenant).text
    assert "<code>fp</code>" in page
    assert "Wrong password" in page


def test_no_secret_is_on_the_console(tenant: Any) -> None:
    location = tenant.sign_in(scope="openid access:mcp offline_access", state="the-clients-state")
    answer = tenant.redeem(location["code"]).json()
    tenant.token((tenant.agent[0], "a-wrong-secret"), grant_type="refresh_token", refresh_token=answer["refresh_token"])
    tenant.log_in(tenant.browser().authorize(), password="a-wrong-password")
    tenant.http.get("/userinfo", headers={"Authorization": f"Bearer {answer['access_token']}"})
    page = console(tenant).text
    signature = answer["access_token"].rsplit(".", 1)[1]
    secrets = [location["code"], answer["refresh_token"], answer["access_token"], signature, answer["id_token"]]
    for secret in (*secrets, tenant.agent[1], tenant.machine[1], "a-wrong-secret", "a-wrong-password", "v" * 43):
        assert secret not in page
    assert "the-clients-state" not in page
    assert page.count("Wonderland-1") == 1


def test_what_clients_and_requests_say_is_never_markup(start: Any) -> None:
    def change(file: dict[str, Any]) -> None:
        file["tenant"]["friendly_name"] = HOSTILE
        file["clients"][0]["callbacks"].append(f"com.example.app:/{HOSTILE}")
        file["resourceServers"][0]["name"] = HOSTILE
        file["resourceServers"][0]["scopes"][0]["description"] = HOSTILE

    tenant = start(change)
    tenant.authorize(client_id=HOSTILE)
    tenant.authorize(redirect_uri=HOSTILE)
    tenant.authorize(audience=HOSTILE, scope=HOSTILE, state=HOSTILE, **{HOSTILE: HOSTILE})
    tenant.http.get(f"/{HOSTILE}")
    tenant.http.post("/oauth/token", json={"grant_type": HOSTILE, "client_id": HOSTILE, HOSTILE: HOSTILE})
    tenant.http.post(
        "/oidc/register", json={"client_name": HOSTILE, "redirect_uris": [HOSTILE], HOSTILE: {"a": [HOSTILE]}}
    )
    tenant.log_in(tenant.authorize(), email="alice@example.com", password="x")
    tenant.http.post("/u/login", data={"username": HOSTILE})
    page = console(tenant).text
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert not re.search(r"<[a-z]+[^>]*\son[a-z]+=", page)
    assert not re.search(r"href=\"(?!/|http://localhost:9000/|#)", page)


def test_requests_that_make_no_sense_do_not_break_the_console(tenant: Any) -> None:
    for body in ("[]", '{"client_id": {}}', '{"client_id": ["a"], "code": [1]}', '{"grant_type": null}', "1"):
        tenant.http.post("/oauth/token", content=body, headers={"Content-Type": "application/json"})
    tenant.http.get("/authorize?client_id=a&client_id=b&%ff=%ff")
    tenant.http.get("/u/login?state=")
    tenant.http.post("/activate", data={"user_code": "x" * 5000})
    tenant.http.get("/authorize/resume?code=x")
    tenant.http.get("/userinfo", headers={"Authorization": "Bearer a.b.c"})
    tenant.http.post("/oauth/revoke", data={"token": "x"})
    assert console(tenant).status_code == 200


def test_the_page_is_bounded_however_much_happens(start: Any) -> None:
    def many(file: dict[str, Any]) -> None:
        file["users"] += [
            {"email": f"u{n}@example.com", "user_id": f"auth0|{n}", "password": "Password-1"} for n in range(2 * MOST)
        ]

    tenant = start(offline=many)
    for _ in range(MAX_ENTRIES + 20):
        tenant.authorize(client_id="x" * 2000, **{f"p{n}": "y" for n in range(50)})
    page = console(tenant).text
    assert len(tenant.idp.journal.entries) == MAX_ENTRIES
    assert page.count('<details class="sign-in"') == MOST_SIGN_INS
    assert page.count('<td class="short"><time') == MOST_EVENTS
    assert page.count("Password-1") <= MOST
    assert len(page) < 400_000


def test_the_script_gets_nothing_while_nothing_happens(tenant: Any) -> None:
    tenant.tokens()
    first = tenant.http.get("/u/console/activity")
    assert first.status_code == 200
    revision = re.search(r'data-revision="([^"]+)"', first.text)
    assert revision is not None
    assert tenant.http.get("/u/console/activity", params={"revision": revision[1]}).status_code == 204
    tenant.authorize()
    assert tenant.http.get("/u/console/activity", params={"revision": revision[1]}).status_code == 200
    tenant.http.post("/__mock__/reset")
    assert "Nobody has signed in yet" in tenant.http.get("/u/console/activity").text


def test_watching_leaves_no_traces_of_its_own(tenant: Any) -> None:
    for _ in range(3):
        console(tenant)
        tenant.http.get("/u/console/activity")
    assert not tenant.idp.journal.entries


def test_the_console_changes_nothing_and_has_no_form(tenant: Any) -> None:
    page = console(tenant)
    assert "<form" not in page.text
    assert "form-action 'none'" in page.headers["content-security-policy"]
    assert "script-src 'self'" in page.headers["content-security-policy"]
    for path in ("/", "/u/console/activity"):
        assert tenant.http.post(path).status_code == 405


@pytest.mark.parametrize("path", ["/", "/u/console/activity"])
def test_no_other_site_can_read_or_embed_the_console(tenant: Any, path: str) -> None:
    tenant.tokens()
    same_site = {**OTHER_SITE, "Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"}
    framed = {**OTHER_SITE, "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}
    for headers in (OTHER_SITE, same_site, framed, {"Origin": "http://localhost:5000"}, {"Origin": "null"}):
        answer = tenant.http.get(path, headers=headers)
        assert answer.status_code == 403
        assert "alice" not in answer.text
        assert "access-control-allow-origin" not in answer.headers
    answer = tenant.http.get(path)
    assert "access-control-allow-origin" not in answer.headers
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]


def test_a_link_from_elsewhere_opens_the_console(tenant: Any) -> None:
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert tenant.http.get("/", headers=headers).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:9000", "localhost.evil.example", "[", "10.0.0.1:9000"])
def test_another_name_that_points_here_sees_nothing(tenant: Any, host: str) -> None:
    tenant.tokens()
    for path in ("/", "/u/console/activity"):
        answer = tenant.http.get(path, headers={"Host": host})
        assert answer.status_code == 421
        assert "alice" not in answer.text
        assert "http://localhost:9000/" in answer.text


def test_another_machine_sees_the_tenant_but_not_who_signs_in(start: Any) -> None:
    tenant = start(peer=("192.0.2.7", 4711))
    tenant.tokens()
    page = console(tenant).text
    assert "Gatehouse MCP server" in page
    assert "MOCK_IDP_CONSOLE=on" in page
    assert '<details class="sign-in"' not in page
    assert tenant.http.get("/u/console/activity").status_code == 404
    proxied = start().http.get("/", headers={"X-Forwarded-For": "192.0.2.7"})
    assert "MOCK_IDP_CONSOLE=on" in proxied.text


def test_where_the_control_api_asks_for_a_token_the_journal_stays_behind_it(start: Any) -> None:
    tenant = start(control_token="s3cret-s3cret")
    tenant.tokens()
    assert '<details class="sign-in"' not in console(tenant).text
    assert tenant.http.get("/u/console/activity").status_code == 404


def test_with_the_control_api_off_this_machine_still_sees_what_happens(start: Any) -> None:
    tenant = start(control=False)
    tenant.tokens()
    assert headlines(tenant) == ["alice@example.com signs in to Gatehouse agent: worked"]


def test_the_console_can_be_opened_to_everybody_and_switched_off(start: Any) -> None:
    tenant = start(peer=("192.0.2.7", 4711), console=ConsoleAccess("on", needs_token=True))
    tenant.tokens()
    assert '<details class="sign-in"' in console(tenant).text
    off = start(console=ConsoleAccess("off"))
    page = console(off).text
    assert "MOCK_IDP_CONSOLE=off" in page
    assert "alice" not in page
    assert off.http.get("/u/console/activity").status_code == 404
