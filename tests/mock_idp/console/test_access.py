"""The access to the console, and the secrets that it hides."""

from __future__ import annotations

import re
from typing import Any

import pytest

from mock_idp.console import ConsoleAccess
from mock_idp.console.activity import MAX_EVENTS, MAX_SIGN_INS
from mock_idp.console.overview import MAX_SHOWN
from mock_idp.console.view import ACTIVITY, TABS
from mock_idp.state.journal import MAX_ENTRIES

HOSTILE = "<script>alert(1)</script>\"'&{x}`"
OTHER_SITE = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "script"}
SIGN_IN = '<details class="sign-in"'


def console(tenant: Any, tab: str = "sign_ins") -> Any:
    return tenant.http.get("/", params={"tab": tab})


def all_tabs(tenant: Any) -> str:
    answers = [console(tenant, tab) for tab in TABS]
    assert [answer.status_code for answer in answers] == [200] * len(TABS)
    return "".join(answer.text for answer in answers)


def test_no_secret_is_on_the_console(tenant: Any) -> None:
    location = tenant.sign_in(scope="openid access:mcp offline_access", state="the-clients-state")
    answer = tenant.redeem(location["code"]).json()
    tenant.token((tenant.agent[0], "a-wrong-secret"), grant_type="refresh_token", refresh_token=answer["refresh_token"])
    tenant.log_in(tenant.browser().authorize(), password="a-wrong-password")
    tenant.http.get("/userinfo", headers={"Authorization": f"Bearer {answer['access_token']}"})
    page = all_tabs(tenant)
    signature = answer["access_token"].rsplit(".", 1)[1]
    secrets = [location["code"], answer["refresh_token"], answer["access_token"], signature, answer["id_token"]]
    for secret in (*secrets, tenant.agent[1], tenant.machine[1], "a-wrong-secret", "a-wrong-password", "v" * 43):
        assert secret not in page
    assert "the-clients-state" not in page
    assert page.count("Wonderland-1") == 1


def test_values_from_clients_and_requests_are_escaped(start: Any) -> None:
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
    page = all_tabs(tenant)
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert not re.search(r"<[a-z]+[^>]*\son[a-z]+=", page)
    assert not re.search(r"href=\"(?!/|http://localhost:9000/|#)", page)


def test_malformed_requests_do_not_break_the_console(tenant: Any) -> None:
    for body in ("[]", '{"client_id": {}}', '{"client_id": ["a"], "code": [1]}', '{"grant_type": null}', "1"):
        tenant.http.post("/oauth/token", content=body, headers={"Content-Type": "application/json"})
    tenant.http.get("/authorize?client_id=a&client_id=b&%ff=%ff")
    tenant.http.get("/u/login?state=")
    tenant.http.post("/activate", data={"user_code": "x" * 5000})
    tenant.http.get("/authorize/resume?code=x")
    tenant.http.get("/userinfo", headers={"Authorization": "Bearer a.b.c"})
    tenant.http.post("/oauth/revoke", data={"token": "x"})
    all_tabs(tenant)


def test_the_size_of_the_page_is_limited(start: Any) -> None:
    def many(file: dict[str, Any]) -> None:
        file["users"] += [
            {"email": f"u{n}@example.com", "user_id": f"auth0|{n}", "password": "Password-1"}
            for n in range(2 * MAX_SHOWN)
        ]

    tenant = start(offline=many)
    for _ in range(MAX_ENTRIES + 20):
        tenant.authorize(client_id="x" * 2000, **{f"p{n}": "y" for n in range(50)})
    assert len(tenant.idp.journal.entries) == MAX_ENTRIES
    assert console(tenant).text.count(SIGN_IN) == MAX_SIGN_INS
    assert console(tenant, "log").text.count('<td class="short"><time') == MAX_EVENTS
    assert console(tenant, "users").text.count("Password-1") <= MAX_SHOWN
    assert max(len(console(tenant, tab).text) for tab in TABS) < 400_000


def test_the_script_gets_204_if_there_is_no_change(tenant: Any) -> None:
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


def test_requests_of_the_console_are_not_in_the_journal(tenant: Any) -> None:
    for _ in range(3):
        console(tenant)
        tenant.http.get("/u/console/activity")
    assert not tenant.idp.journal.entries


def test_the_console_changes_nothing_and_its_only_form_is_that_of_the_filters(tenant: Any) -> None:
    page = console(tenant)
    assert re.findall("<form [^>]*", page.text) == [
        '<form class="card filters" id="filters" role="search" method="get" action="/" aria-label="Filters"'
    ]
    assert "form-action 'self'" in page.headers["content-security-policy"]
    assert "script-src 'self'" in page.headers["content-security-policy"]
    users = console(tenant, "users").headers["content-security-policy"]
    assert "script-src" not in users
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


def test_a_link_on_another_site_opens_the_console(tenant: Any) -> None:
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert tenant.http.get("/", headers=headers).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:9000", "localhost.evil.example", "[", "10.0.0.1:9000"])
def test_a_request_under_another_host_name_is_refused(tenant: Any, host: str) -> None:
    tenant.tokens()
    for path in ("/", "/u/console/activity"):
        answer = tenant.http.get(path, headers={"Host": host})
        assert answer.status_code == 421
        assert "alice" not in answer.text
        assert "http://localhost:9000/" in answer.text


def test_another_machine_sees_the_configuration_but_not_the_activity(start: Any) -> None:
    tenant = start(peer=("192.0.2.7", 4711))
    tenant.tokens()
    assert "Gatehouse MCP server" in console(tenant, "apis").text
    for tab in ACTIVITY:
        page = console(tenant, tab).text
        assert "MOCK_IDP_CONSOLE=on" in page
        assert SIGN_IN not in page
        assert "Gatehouse agent" not in page
        assert "<form" not in page
    assert tenant.http.get("/u/console/activity").status_code == 404
    proxied = start().http.get("/", headers={"X-Forwarded-For": "192.0.2.7"})
    assert "MOCK_IDP_CONSOLE=on" in proxied.text


def test_the_activity_is_hidden_if_the_control_api_needs_a_token(start: Any) -> None:
    tenant = start(control_token="s3cret-s3cret")
    tenant.tokens()
    assert SIGN_IN not in console(tenant).text
    assert tenant.http.get("/u/console/activity").status_code == 404


def test_this_machine_sees_the_activity_if_the_control_api_is_off(start: Any) -> None:
    tenant = start(control=False)
    tenant.tokens()
    assert SIGN_IN in console(tenant).text


def test_a_setting_opens_the_console_to_everybody_or_switches_it_off(start: Any) -> None:
    tenant = start(peer=("192.0.2.7", 4711), console=ConsoleAccess("on", needs_token=True))
    tenant.tokens()
    assert SIGN_IN in console(tenant).text
    off = start(console=ConsoleAccess("off"))
    page = all_tabs(off)
    assert "MOCK_IDP_CONSOLE=off" in page
    assert "alice" not in page
    assert "<form" not in page
    assert off.http.get("/u/console/activity").status_code == 404
