"""Which answers of the tenant a page of another origin can read, in a real browser."""

from __future__ import annotations

import base64
import hashlib
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

API = "http://localhost:5555/mcp"
VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
CREDENTIALS = {
    "Gatehouse agent": "demo-secret-of-the-offline-tenant-never-use-it-with-a-real-one-1",
    "Gatehouse machine": "demo-secret-of-the-offline-tenant-never-use-it-with-a-real-one-2",
}
# The answer as the page sees it: its JSON, or the name of the error that the browser raises.
POST = """
async ([url, form, json]) => {
  const body = json ? JSON.stringify(form) : new URLSearchParams(form)
  const headers = json ? {"Content-Type": "application/json"} : {}
  try { return await (await fetch(url, {method: "POST", headers, body})).json() } catch (error) { return error.name }
}
"""
BLOCKED = "TypeError"


def foreign(site: Any) -> str:
    """A page of another origin: the same server under another host name."""
    return str(site.app.url.replace("localhost", "127.0.0.1"))


def credentials(site: Any, name: str) -> dict[str, str]:
    client = next(client for client in site.idp.tenant.clients.values() if client.name == name)
    return {"client_id": client.client_id, "client_secret": CREDENTIALS[name]}


def post(page: Any, site: Any, form: dict[str, str], *, json: bool = False, path: str = "oauth/token") -> Any:
    return page.evaluate(POST, [f"{site.issuer}{path}", form, json])


@pytest.mark.parametrize("json", [False, True])
def test_a_page_of_a_foreign_origin_cannot_read_a_token_with_the_published_secret(
    site: Any, visit: Any, json: bool
) -> None:
    form = {"grant_type": "client_credentials", "audience": API, **credentials(site, "Gatehouse machine")}
    for url in (foreign(site), site.app.url):
        assert post(visit(url), site, form, json=json) == BLOCKED


@pytest.mark.parametrize("json", [False, True])
def test_a_page_of_the_callbacks_origin_reads_the_tokens_of_its_sign_in(site: Any, visit: Any, json: bool) -> None:
    page = visit(site.authorize(code_challenge=CHALLENGE))
    page.fill("#username", "alice@example.com")
    page.fill("#password", "Wonderland-1")
    page.click("#action")
    page.click("#action")
    page.wait_for_url(f"{site.app.callback}?**")
    code = parse_qs(urlsplit(page.url).query)["code"][0]
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": site.app.callback,
        "code_verifier": VERIFIER,
        **credentials(site, "Gatehouse agent"),
    }
    answer = post(page, site, form, json=json)
    assert answer["access_token"].count(".") == 2
    assert post(visit(foreign(site)), site, form, json=json) == BLOCKED


def test_an_origin_in_web_origins_can_read_the_answer(start: Any, visit: Any) -> None:
    site = start()
    form = {"grant_type": "refresh_token", "refresh_token": "x", **credentials(site, "Gatehouse agent")}
    page = visit(foreign(site))
    assert post(page, site, form) == BLOCKED
    change = {"tenant": {"clients": [{"name": "Gatehouse agent", "web_origins": [foreign(site)]}]}}
    assert page.request.patch(f"{site.issuer}__mock__/configuration", data=change).ok
    assert post(page, site, form)["error"] == "invalid_grant"


def test_a_browser_client_such_as_mcp_inspector_registers_itself_and_reads_its_answers(site: Any, visit: Any) -> None:
    page = visit(foreign(site))
    document = page.evaluate(
        "async url => (await fetch(url)).json()", f"{site.issuer}.well-known/oauth-authorization-server"
    )
    assert document["registration_endpoint"] == f"{site.issuer}oidc/register"
    metadata = {"redirect_uris": [f"{foreign(site)}/oauth/callback"], "token_endpoint_auth_method": "none"}
    registered = page.evaluate(
        "async ([url, body]) => (await fetch(url, {method: 'POST', headers: {'Content-Type': 'application/json'},"
        " body: JSON.stringify(body)})).json()",
        [document["registration_endpoint"], metadata],
    )
    form = {"grant_type": "authorization_code", "code": "x", "client_id": registered["client_id"]}
    for json in (False, True):
        assert post(page, site, form, json=json)["error"] == "invalid_grant"
        assert post(visit(site.app.url), site, form, json=json) == BLOCKED
