"""Every path answers only under a name of the tenant (DNS rebinding)."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

from mock_idp.app import create_app
from mock_idp.control import ControlAccess
from mock_idp.http.middleware import host_name
from mock_idp.web.request import FORWARDED

PATHS = (
    *("/", "/livez", "/.well-known/openid-configuration", "/.well-known/jwks.json", "/authorize", "/u/login"),
    *("/u/consent", "/u/static/style.css", "/oauth/token", "/oauth/revoke", "/oauth/device/code", "/activate"),
    *("/oidc/register", "/userinfo", "/v2/logout", "/oidc/logout", "/api/v2/clients", "/__mock__/reset", "/nothing"),
)


def app_at(tenant: Any, issuer: str, *hosts: str) -> Any:
    app = create_app(tenant.idp, issuer, ControlAccess(), hosts=hosts)
    return TestClient(app, base_url="http://localhost:9000", follow_redirects=False, client=("127.0.0.1", 4711))


@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
@pytest.mark.parametrize("path", PATHS)
def test_no_path_answers_under_a_foreign_name(tenant: Any, path: str, method: str) -> None:
    answer = tenant.http.request(method, path, headers={"Host": "evil.example:9000", "Origin": "http://evil.example"})
    assert answer.status_code == 421
    assert "http://localhost:9000/" in answer.text
    assert "MOCK_IDP_ALLOWED_HOSTS" in answer.text
    assert "access-control-allow-origin" not in answer.headers
    assert "alice" not in answer.text


def test_a_browser_gets_a_page_in_its_language(tenant: Any) -> None:
    headers = {"Host": "evil.example", "Accept": "text/html", "Accept-Language": "ja"}
    page = tenant.http.get("/authorize", headers=headers)
    assert page.status_code == 421
    assert "テナントのものではない名前" in page.text


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:1", "LOCALHOST:9000", "127.0.0.1:9000", "127.8.8.8", "[::1]:9000", "[::1]"]
)
def test_this_machine_may_have_any_of_its_names_and_ports(tenant: Any, host: str) -> None:
    assert tenant.http.get("/livez", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        *(
            "",
            "evil.example",
            "localhost.evil.example",
            "localhost@evil.example",
            "evil.example@localhost",
            "[",
            "10.0.0.1",
        ),
        *(
            "localhost/evil.example",
            "localhost#",
            "localhost?",
            "localhost:port",
            "mock-idp",
            "login.example.com.evil.example",
        ),
    ],
)
def test_a_name_that_only_looks_like_one_of_the_tenants_is_refused(tenant: Any, host: str) -> None:
    http = app_at(tenant, "https://login.example.com/")
    assert http.get("/livez", headers={"Host": host}).status_code == 421


def test_the_public_host_and_the_allowed_names_answer_on_every_port(tenant: Any) -> None:
    """The public host is that of a proxy, too: the issuer is its URL."""
    http = app_at(tenant, "https://login.example.com/", "mock-idp", "Auth0.Local")
    for host in ("login.example.com", "Login.Example.com:443", "mock-idp:9000", "mock-idp", "auth0.local:9000"):
        assert http.get("/.well-known/jwks.json", headers={"Host": host}).status_code == 200


def test_two_host_headers_are_refused(tenant: Any) -> None:
    answer = tenant.http.get("/livez", headers=[("Host", "localhost:9000"), ("Host", "localhost:9000")])
    assert answer.status_code == 421


def test_a_refused_host_is_not_in_the_journal(tenant: Any) -> None:
    tenant.http.get("/authorize", headers={"Host": "evil.example"})
    assert not tenant.idp.journal.entries


@pytest.mark.parametrize("header", [*sorted(FORWARDED), "x-forwarded-for", "x-forwarded-proto", "x-forwarded-anything"])
def test_a_mark_of_a_proxy_makes_a_request_foreign(tenant: Any, header: str) -> None:
    assert tenant.http.post("/__mock__/reset").status_code == 204
    assert tenant.http.post("/__mock__/reset", headers={header: "192.0.2.1"}).status_code == 403


def test_a_proxy_without_a_mark_that_keeps_the_public_name_is_foreign(tenant: Any) -> None:
    http = app_at(tenant, "https://login.example.com/")
    assert http.post("/__mock__/reset", headers={"Host": "login.example.com"}).status_code == 403
    assert http.post("/__mock__/reset").status_code == 204


@pytest.mark.parametrize(
    ("host", "name"),
    [("a.example:80", "a.example"), ("A", "a"), ("[::1]:1", "::1"), ("a@b", ""), ("a:x", ""), ("a/b", "")],
)
def test_the_name_in_a_host_header(host: str, name: str) -> None:
    assert host_name(host) == name
