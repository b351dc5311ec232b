"""Attacks on redirects: a callback that only looks like the registered one, and open redirects (RFC 9700 section 4)."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

import httpx2
import pytest

from tests.security.attacks.browser import AGENT, SECONDS, Browser
from tests.security.server_process import ServerProcess
from tests.support.processes import TLS
from tests.support.stack import LocalStack

EVIL = "evil.example.com"


def manipulated(callback: str) -> dict[str, str]:
    """URLs that some comparison takes for the callback `http://localhost:PORT/callback`."""
    port = urlsplit(callback).port
    return {
        "another path": f"http://localhost:{port}/other",
        "a path below": f"{callback}/evil",
        "a slash too many": f"{callback}/",
        "a path that begins alike": f"{callback}evil",
        "dots in the path": f"http://localhost:{port}/evil/../callback",
        "an encoded letter in the path": f"http://localhost:{port}/%63allback",
        "an encoded slash": f"http://localhost:{port}%2fcallback",
        "a path parameter": f"{callback};evil",
        "capitals in the path": f"http://localhost:{port}/CALLBACK",
        "another port": f"http://localhost:{(port or 0) ^ 1}/callback",
        "no port": "http://localhost/callback",
        "a port with zeros": f"http://localhost:0{port}/callback",
        "a port with text": f"http://localhost:{port}.{EVIL}/callback",
        "another scheme": f"https://localhost:{port}/callback",
        "a script": f"javascript://localhost:{port}/callback",
        "data": f"data://localhost:{port}/callback",
        "no scheme": f"//localhost:{port}/callback",
        "only a path": "/callback",
        "userinfo": f"http://localhost:{port}@{EVIL}/callback",
        "userinfo of the attacker": f"http://{EVIL}@localhost:{port}/callback",
        "userinfo with a password": f"http://a:b@localhost:{port}/callback",
        "a backslash": f"http://{EVIL}\\@localhost:{port}/callback",
        "a host below the attacker's": f"http://localhost.{EVIL}:{port}/callback",
        "a host that ends alike": f"http://evillocalhost:{port}/callback",
        "a dot after the host": f"http://localhost.:{port}/callback",
        "capitals in the host": f"http://LOCALHOST:{port}/callback",
        "wide letters in the host": f"http://ｌocalhost:{port}/callback",
        "a long s in the host": f"http://localhoſt:{port}/callback",
        "an invisible letter in the host": f"http://local\u200dhost:{port}/callback",
        "a letter of another alphabet": f"http://lоcalhost:{port}/callback",
        "the address of the name": f"http://127.0.0.1:{port}/callback",
        "another form of the address": f"http://2130706433:{port}/callback",
        "a fragment": f"{callback}#evil",
        "an empty fragment": f"{callback}#",
        "a query": f"{callback}?next=https://{EVIL}",
        "an empty query": f"{callback}?",
        "a line break": f"{callback}\r\nLocation: https://{EVIL}",
        "a null character": f"{callback}\x00.{EVIL}",
        "a blank before": f" {callback}",
        "a blank after": f"{callback} ",
        "a tab inside": f"http://local\thost:{port}/callback",
        "both": f"https://{EVIL}/ {callback}",
        "a placeholder": f"http://*:{port}/callback",
        "the attacker's own": f"https://{EVIL}/callback",
    }


NAMES = list(manipulated("http://localhost:1/callback"))


def stays_on_a_page(answer: httpx2.Response) -> bool:
    """An error page without any redirect."""
    return answer.status_code == 400 and not {"location", "refresh"} & set(answer.headers)


@pytest.mark.parametrize("name", NAMES)
def test_an_answer_goes_to_no_manipulated_callback(tenant: LocalStack, name: str) -> None:
    browser = Browser(tenant)
    uri = manipulated(browser.callback)[name]
    for changes in ({}, {"prompt": "none"}, {"response_type": "pigeon"}, {"response_mode": "form_post"}):
        answer = browser.authorize(**{"redirect_uri": uri, **changes})
        assert stays_on_a_page(answer), (name, changes, answer.headers)
        assert f"https://{EVIL}" not in answer.headers.get("content-security-policy", "")
    assert stays_on_a_page(browser.http.post("/authorize", data=browser.request(redirect_uri=uri)))


def test_two_callbacks_in_one_request_are_refused(tenant: LocalStack) -> None:
    browser = Browser(tenant)
    for both in ([browser.callback, f"https://{EVIL}/"], [f"https://{EVIL}/", browser.callback]):
        pairs = [*browser.request(redirect_uri=None).items(), *(("redirect_uri", uri) for uri in both)]
        assert stays_on_a_page(browser.http.get("/authorize", params=pairs))


def test_a_manipulated_callback_cannot_be_pushed(tenant: LocalStack) -> None:
    browser = Browser(tenant)
    for name, uri in manipulated(browser.callback).items():
        answer = httpx2.post(
            f"{tenant.issuer}oauth/par",
            data={**AGENT, **browser.request(redirect_uri=uri)},
            timeout=SECONDS,
            verify=TLS,
        )
        assert answer.status_code in (400, 403), name


TARGETS = [
    f"https://{EVIL}/",
    f"//{EVIL}/",
    f"/\\{EVIL}/",
    f"\\\\{EVIL}",
    f"https:{EVIL}",
    f"http://localhost@{EVIL}/",
    f"http://localhost.{EVIL}/",
    f"javascript:alert('{EVIL}')",
    f"\thttps://{EVIL}/",
    f"https://{EVIL}/#http://localhost/",
]
PLACES: dict[str, Callable[[str], tuple[str, dict[str, str]]]] = {
    "logout": lambda url: ("v2/logout", {"returnTo": url, "client_id": AGENT["client_id"]}),
    "logout of the tenant": lambda url: ("v2/logout", {"returnTo": url}),
    "OIDC logout": lambda url: (
        "oidc/logout",
        {"post_logout_redirect_uri": url, "client_id": AGENT["client_id"], "state": url},
    ),
    "the state of a page": lambda url: ("u/login", {"state": url}),
    "the end of a page": lambda url: ("authorize/resume", {"state": url}),
    "the filled in user": lambda url: ("u/login", {"state": "x", "fill": url}),
    "a parameter of other products": lambda url: ("authorize", {"next": url, "redirect": url, "url": url}),
    "the device page": lambda url: ("activate", {"user_code": url}),
    "the ticket of a password": lambda url: ("u/reset-verify", {"ticket": url}),
}


@pytest.mark.parametrize("place", PLACES)
def test_the_tenant_is_no_open_redirect(tenant: LocalStack, place: str) -> None:
    for target in TARGETS:
        path, query = PLACES[place](target)
        answer = httpx2.get(f"{tenant.issuer}{path}", params=query, timeout=SECONDS, verify=TLS)
        _leads_nowhere_else(answer, tenant.issuer)


PATHS = [
    f"//{EVIL}",
    f"//{EVIL}/..",
    f"/\\{EVIL}",
    f"/%5c{EVIL}/",
    f"/%2f{EVIL}/",
    f"//{EVIL}/%2e%2e",
    f"/mcp//{EVIL}/",
]


@pytest.mark.parametrize("path", PATHS)
def test_a_path_that_is_a_host_leads_nowhere(tenant: LocalStack, server: ServerProcess, path: str) -> None:
    for origin in (tenant.issuer.rstrip("/"), server.origin):
        for method in ("GET", "POST"):
            answer = httpx2.request(method, f"{origin}{path}", timeout=SECONDS, verify=TLS)
            _leads_nowhere_else(answer, f"{origin}/")


def _leads_nowhere_else(answer: httpx2.Response, origin: str) -> None:
    assert answer.status_code < 500
    if answer.next_request is not None:
        assert str(answer.next_request.url).startswith(origin), answer.headers["location"]
    assert "refresh" not in answer.headers
