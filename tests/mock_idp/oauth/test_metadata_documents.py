from __future__ import annotations

import html
import json
import re
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import trustme
import yaml
from joserfc import jwt
from joserfc.jwk import RSAKey

from mock_idp.errors import InvalidClientMetadata
from mock_idp.http.fetching import Fetcher, is_public
from mock_idp.oauth.clients.documents import known_documents
from mock_idp.oauth.clients.metadata_documents import checked_url
from mock_idp.tenant.loading import ConfigurationError

API = "http://localhost:5555/mcp"
CALLBACK = "http://127.0.0.1:3334/callback"


@dataclass
class Site:
    """An https server on this machine. It serves the documents of a test and counts requests."""

    url: str
    ca_file: Path
    pages: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def put(self, path: str, document: Any, *, status: int = 200) -> str:
        self.pages[path] = (status, document if isinstance(document, bytes) else json.dumps(document).encode())
        return f"{self.url}{path}"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    ca = trustme.CA()
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    found = Site("", tmp_path / "ca.pem")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.asked.append(self.path)
            status, body = found.pages.get(self.path, (404, b""))
            self.send_response(status)
            if status == 302:
                self.send_header("Location", body.decode())
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("localhost").configure_cert(context)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    found.url = f"https://localhost:{server.server_port}"
    yield found
    server.shutdown()
    thread.join()
    server.server_close()


def supported(**more: Any) -> Any:
    def change(file: dict[str, Any]) -> None:
        file["tenant"].update(client_id_metadata_document_supported=True, **more)
        file["databases"][0]["is_domain_connection"] = True
        grant = {"default_for": "third_party_clients", "audience": API, "subject_type": "user"}
        file["clientGrants"].append({**grant, "scope": ["access:mcp"]})

    return change


DYNAMIC = {"client_id_metadata_document_dynamic_registration_supported": True}


def document(url: str, **changes: Any) -> dict[str, Any]:
    metadata = {
        "client_id": url,
        "client_name": "Desk client",
        "application_type": "native",
        "grant_types": ["authorization_code", "refresh_token", "implicit"],
        "redirect_uris": [CALLBACK],
        "token_endpoint_auth_method": "none",
        "tos_uri": "https://x.example/",
        **changes,
    }
    return {name: value for name, value in metadata.items() if value is not None}


def start_with(start: Any, site: Site, change: Any, *, allow_private: bool = True) -> Any:
    return start(change, fetcher=Fetcher(allow_private, site.ca_file))


def test_support_is_advertised_if_its_setting_is_on(start: Any) -> None:
    name = "client_id_metadata_document_supported"
    assert name not in start().http.get("/.well-known/openid-configuration").json()
    assert start(supported()).http.get("/.well-known/openid-configuration").json()[name] is True


def test_an_administrator_imports_a_document_and_gets_warnings_for_unsupported_members(start: Any, site: Site) -> None:
    tenant = start_with(start, site, supported())
    url = site.put("/client.json", document(f"{site.url}/client.json"))
    assert "Unknown client" in tenant.authorize(client_id=url, redirect_uri=CALLBACK).text
    answer = tenant.http.post("/__mock__/clients/cimd", json={"external_client_id": url})
    assert answer.status_code == 201
    assert answer.json()["mapped_fields"]["external_client_id"] == url
    assert answer.json()["validation"] == {
        "valid": True,
        "warnings": ["Grant type not supported: 'implicit'", "Property not supported: 'tos_uri'"],
    }
    code = tenant.sign_in(client_id=url, redirect_uri=CALLBACK, scope="access:mcp")["code"]
    tokens = tenant.redeem(code, client=(url, None), redirect_uri=CALLBACK).json()
    claims = tenant.claims(tokens["access_token"])
    assert claims["client_id"] == url


def test_a_client_registers_on_first_use_only_if_the_dynamic_setting_is_on(start: Any, site: Site) -> None:
    tenant = start_with(start, site, supported(**DYNAMIC))
    url = site.put("/client.json", document(f"{site.url}/client.json"))
    response = tenant.authorize(client_id=url, redirect_uri=CALLBACK, scope="access:mcp")
    page = tenant.http.get(tenant.follow(tenant.log_in(response)).headers["location"]).text
    assert url in page
    assert "127.0.0.1:3334" in page
    assert "Any program on this device" in page


def test_the_copy_is_fetched_again_when_it_is_old(start: Any, site: Site) -> None:
    tenant = start_with(start, site, supported(**DYNAMIC))
    url = site.put("/client.json", document(f"{site.url}/client.json"))
    for _ in range(3):
        tenant.authorize(client_id=url, redirect_uri=CALLBACK)
    assert len(site.asked) == 1
    tenant.idp.clock.shift(301)
    tenant.authorize(client_id=url, redirect_uri=CALLBACK)
    assert len(site.asked) == 2


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"client_id": "https://other.example/client.json"}, "client_id must be the URL"),
        ({"client_name": ""}, "client_name must be"),
        ({"redirect_uris": []}, "redirect_uris must be a list"),
        ({"redirect_uris": [CALLBACK, CALLBACK]}, "redirect_uris must be unique"),
        ({"redirect_uris": ["http://app.example/cb"]}, "must use https"),
        ({"application_type": "web"}, "redirect_uris must be https"),
        ({"application_type": None, "redirect_uris": ["view-source:https://a/"]}, "must be https"),
        ({"redirect_uris": ["com.example.app:/cb"]}, "redirect_uris must be https"),
        ({"client_name": "\u202e"}, "client_name must be"),
        ({"client_name": "<b>"}, "client_name must be"),
        ({"description": "x" * 141}, "description must be"),
        ({"application_type": "tv"}, "application_type"),
        ({"grant_types": None}, "grant_types must be"),
        ({"grant_types": ["implicit"]}, "grant_types must contain"),
        ({"token_endpoint_auth_method": "client_secret_post"}, "token_endpoint_auth_method"),
        ({"jwks": {"keys": []}}, "jwks is not supported inline"),
        ({"token_endpoint_auth_method": "private_key_jwt"}, "jwks_uri is needed"),
        (
            {"token_endpoint_auth_method": "private_key_jwt", "jwks_uri": "https://other.example/jwks.json"},
            "jwks_uri must have the origin",
        ),
    ],
)
def test_a_document_that_breaks_a_rule_is_refused_on_a_page(
    start: Any, site: Site, changes: dict[str, Any], reason: str
) -> None:
    tenant = start_with(start, site, supported(**DYNAMIC))
    url = site.put("/client.json", document(f"{site.url}/client.json", **changes))
    response = tenant.authorize(client_id=url, redirect_uri=CALLBACK)
    assert response.status_code == 400
    assert reason in response.text
    assert "location" not in response.headers


def test_a_confidential_client_signs_its_requests_with_a_key_from_its_own_site(start: Any, site: Site) -> None:
    tenant = start_with(start, site, supported(**DYNAMIC))
    key = RSAKey.generate_key(2048, {"kid": "k-1", "alg": "RS256"})
    jwks_uri = site.put("/jwks.json", {"keys": [key.as_dict(private=False)]})
    method = {"token_endpoint_auth_method": "private_key_jwt", "jwks_uri": jwks_uri}
    url = site.put("/client.json", document(f"{site.url}/client.json", **method))
    code = tenant.sign_in(client_id=url, redirect_uri=CALLBACK, scope="access:mcp")["code"]
    now = int(tenant.idp.clock.now())
    claims = {"iss": url, "sub": url, "aud": "http://localhost:9000/", "exp": now + 60, "jti": "j-1"}
    proof = {
        "client_assertion": jwt.encode({"alg": "RS256", "kid": "k-1"}, claims, key),
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
    }
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "code_verifier": "v" * 43}
    assert tenant.http.post("/oauth/token", data={**form, "client_id": url}).status_code == 401
    assert tenant.http.post("/oauth/token", data={**form, **proof}).json()["scope"] == "access:mcp"


@pytest.mark.parametrize(
    "key_set",
    [
        [],
        "none",
        [1],
        [{"kty": "RSA"}],
        [{"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}],
        [{"kty": "RSA", "n": "AQAB", "e": "AQAB", "d": "AQAB"}],
        [{"kty": "oct", "k": "AQAB", "alg": "HS256"}],
    ],
)
def test_a_key_set_that_cannot_be_used_is_refused(start: Any, site: Site, key_set: Any) -> None:
    tenant = start_with(start, site, supported(**DYNAMIC))
    jwks_uri = site.put("/jwks.json", {"keys": key_set})
    method = {"token_endpoint_auth_method": "private_key_jwt", "jwks_uri": jwks_uri}
    url = site.put("/client.json", document(f"{site.url}/client.json", **method))
    response = tenant.authorize(client_id=url, redirect_uri=CALLBACK)
    assert response.status_code == 400
    assert "jwks_uri must lead to" in response.text


def test_redirects_large_bodies_and_other_formats_are_refused(start: Any, site: Site) -> None:
    tenant = start_with(start, site, supported(**DYNAMIC))
    site.put("/real.json", document(f"{site.url}/real.json"))
    cases = {
        site.put("/moved.json", b"/real.json", status=302): "only 200 counts",
        site.put("/gone.json", b"", status=404): "answered 404",
        site.put("/large.json", document(f"{site.url}/large.json", description="x" * 6000)): "larger than 5120 bytes",
        site.put("/page.json", b"<html>"): "is not JSON",
        site.put("/list.json", []): "is not a JSON object",
    }
    for url, reason in cases.items():
        response = tenant.authorize(client_id=url, redirect_uri=CALLBACK)
        assert response.status_code == 400
        assert reason in response.text
    assert "/real.json" not in site.asked


CLAUDE_CODE = "https://claude.ai/oauth/claude-code-client-metadata"
CODEX = "https://chatgpt.com/oauth/codex/client.json"
UNKNOWN = "https://desk.example/client.json"


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("the tenant asked DNS")

    monkeypatch.setattr("anyio.getaddrinfo", refuse)


def signed_in(tenant: Any, url: str, callback: str) -> dict[str, Any]:
    code = tenant.sign_in(client_id=url, redirect_uri=callback, scope="access:mcp")["code"]
    tokens = tenant.redeem(code, client=(url, None), redirect_uri=callback).json()
    claims: dict[str, Any] = tenant.claims(tokens["access_token"])
    return claims


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize(
    ("url", "callback"),
    [
        (CLAUDE_CODE, "http://localhost:3118/callback"),
        (CLAUDE_CODE, "http://127.0.0.1:51999/callback"),
        ("https://claude.ai/oauth/mcp-oauth-client-metadata", "https://claude.ai/api/mcp/auth_callback"),
        (CODEX, "http://127.0.0.1:42617/callback"),
        ("https://chatgpt.com/oauth/codex/4-bzS8rt42zJ/client.json", "http://127.0.0.1:1/callback/4-bzS8rt42zJ"),
        ("https://vscode.dev/oauth/client-metadata.json", "http://127.0.0.1:33418/"),
        ("https://vscode.dev/oauth/client-metadata.json", "https://vscode.dev/redirect"),
        ("https://github.com/copilot/cli/client-metadata.json", "http://127.0.0.1:33418/"),
        ("https://zed.dev/oauth/client-metadata.json", "http://127.0.0.1:49152/callback"),
        ("https://goose-docs.ai/oauth/client-metadata.json", "http://[::1]:49152/oauth_callback"),
        ("https://opencode.ai/oauth/opencode/client.json", "http://localhost:19876/callback"),
    ],
)
def test_well_known_clients_sign_in_without_the_internet(start: Any, url: str, callback: str) -> None:
    assert signed_in(start(supported(**DYNAMIC)), url, callback)["client_id"] == url


@pytest.mark.parametrize(
    ("url", "callback"),
    [
        (CLAUDE_CODE, "http://localhost:3118/other"),
        (CLAUDE_CODE, "http://[::1]:3118/callback"),
        (CLAUDE_CODE, "https://localhost:3118/callback"),
        (CLAUDE_CODE, "http://localhost:3118@evil.example/callback"),
        (CLAUDE_CODE, "http://localhost:3118\\@evil.example/callback"),
        (CLAUDE_CODE, "http://localhost:3118/callback?x=1"),
        ("https://vscode.dev/oauth/client-metadata.json", "http://127.0.0.1:33419/"),
        ("https://chatgpt.com/oauth/codex/one/client.json", "http://127.0.0.1:1/callback/two"),
    ],
)
def test_only_the_port_of_a_loopback_callback_without_a_port_may_differ(start: Any, url: str, callback: str) -> None:
    page = start(supported(**DYNAMIC)).authorize(client_id=url, redirect_uri=callback)
    assert page.status_code in (400, 403)
    assert "Callback URL mismatch." in page.text


def test_the_consent_page_says_that_a_real_tenant_may_refuse_another_port(start: Any) -> None:
    tenant = start(supported(**DYNAMIC))
    asked = {"client_id": CLAUDE_CODE, "redirect_uri": "http://localhost:3118/callback", "scope": "access:mcp"}
    page = tenant.http.get(tenant.follow(tenant.log_in(tenant.authorize(**asked))).headers["location"]).text
    assert 'id="any-port"' in page
    assert "lists <code>http://localhost/callback</code>" in page
    assert "code" in tenant.browser().sign_in(**asked)
    strict = start(supported(**DYNAMIC), lambda file: file.update(behaviours={"loopback_redirect": "exact"}))
    refused = strict.authorize(**asked)
    assert "Callback URL mismatch." in refused.text
    assert 'data-code="callback_port"' in refused.text


def test_every_document_of_this_package_has_a_source_and_a_date_and_is_that_of_a_public_client() -> None:
    for url, entry in known_documents().items():
        assert checked_url(url.replace("{id}", "x"))
        assert len(entry["source"]) > 20
        assert str(entry["seen"]).startswith("2026-")
        assert entry["document"]["token_endpoint_auth_method"] == "none"


@pytest.mark.usefixtures("no_network")
def test_a_document_that_is_not_at_hand_ends_on_a_page_with_the_lines_that_let_it_in(start: Any) -> None:
    tenant = start(supported(**DYNAMIC))
    asked = {"client_id": UNKNOWN, "redirect_uri": "http://127.0.0.1:53999/cb", "scope": "access:mcp", "resource": API}
    page = tenant.authorize(**asked)
    assert page.status_code == 400
    assert "location" not in page.headers
    for shown in (UNKNOWN, "http://127.0.0.1:53999/cb", "access:mcp", API, "MOCK_IDP_CIMD_FETCH", "In offline.yaml"):
        assert shown in page.text
    assert "offline.yaml での場所" in tenant.authorize(**asked, ui_locales="ja").text
    snippet = re.search(r"<pre[^>]*><code>(.*?)</code></pre>", page.text, re.DOTALL)
    assert snippet is not None
    lines = yaml.safe_load(html.unescape(snippet[1]))
    allowed = start(supported(**DYNAMIC), lambda file: file.update(lines))
    # Any port: the program takes another one the next time.
    assert signed_in(allowed, UNKNOWN, "http://127.0.0.1:53001/cb")["client_id"] == UNKNOWN
    assert "Callback URL mismatch." in allowed.authorize(client_id=UNKNOWN, redirect_uri="https://evil.example/").text


@pytest.mark.parametrize(
    "callback", [None, "javascript:alert(1)", "http://evil.example/cb", "https://a/\\@x", "myapp:x"]
)
def test_a_callback_that_no_document_may_have_gets_no_lines(start: Any, callback: str | None) -> None:
    page = start(supported(**DYNAMIC)).authorize(client_id=UNKNOWN, redirect_uri=callback)
    assert page.status_code == 400
    assert 'data-code="metadata_document_missing"' in page.text
    assert "<pre" not in page.text


def test_hostile_text_stays_text_in_the_lines_for_the_file(start: Any) -> None:
    url = "https://desk.example/x:'#{}[]client.json".replace("#", "")
    page = start(supported(**DYNAMIC)).authorize(client_id=url, redirect_uri="https://a.example/cb?x=']&y=:&z=%22")
    snippet = re.search(r"<pre[^>]*><code>(.*?)</code></pre>", page.text, re.DOTALL)
    assert snippet is not None
    (document,) = yaml.safe_load(html.unescape(snippet[1]))["client_metadata_documents"].values()
    assert document["redirect_uris"] == ["https://a.example/cb?x=']&y=:&z=%22"]


def test_a_document_in_the_offline_file_comes_first_and_needs_no_client_id(start: Any, site: Site) -> None:
    url = site.put("/client.json", document(f"{site.url}/client.json", client_name="From the site"))
    mine = {name: value for name, value in document(url, client_name="From the file").items() if name != "client_id"}
    tenant = start(
        supported(**DYNAMIC),
        lambda file: file.update(client_metadata_documents={url: mine}),
        fetcher=Fetcher(allow_private=True, ca_file=site.ca_file),
    )
    tenant.authorize(client_id=url, redirect_uri=CALLBACK)
    assert tenant.idp.tenant.clients[url].name == "From the file"
    assert site.asked == []
    change = {"offline": {"client_metadata_documents": {url: {**mine, "client_name": "Changed"}}}}
    assert tenant.http.patch("/__mock__/configuration", json=change).status_code == 200
    tenant.authorize(client_id=url, redirect_uri=CALLBACK)
    assert tenant.idp.tenant.clients[url].name == "Changed"


def test_a_document_in_the_offline_file_that_names_another_address_is_refused(start: Any) -> None:
    other = {UNKNOWN: document("https://other.example/client.json")}
    tenant = start(supported(**DYNAMIC), lambda file: file.update(client_metadata_documents=other))
    assert "client_id must be the URL" in tenant.authorize(client_id=UNKNOWN, redirect_uri=CALLBACK).text


def test_the_offline_file_refuses_an_address_that_is_not_https(start: Any) -> None:
    for address in ("http://desk.example/client.json", "desk", "https://a b/"):
        with pytest.raises(ConfigurationError, match="client_metadata_documents"):
            start(offline=lambda file, address=address: file.update(client_metadata_documents={address: {}}))


def test_the_keys_of_a_confidential_client_may_be_in_the_offline_file(start: Any) -> None:
    key = RSAKey.generate_key(2048, {"kid": "k-1", "alg": "RS256"})
    jwks_uri = "https://desk.example/jwks.json"
    confidential = document(UNKNOWN, token_endpoint_auth_method="private_key_jwt", jwks_uri=jwks_uri)
    files: dict[str, Any] = {UNKNOWN: confidential}
    without_keys = start(supported(**DYNAMIC), lambda file: file.update(client_metadata_documents=files))
    assert "jwks_uri must lead to" in without_keys.authorize(client_id=UNKNOWN, redirect_uri=CALLBACK).text
    files[jwks_uri] = {"keys": [key.as_dict(private=False)]}
    tenant = start(supported(**DYNAMIC), lambda file: file.update(client_metadata_documents=files))
    assert tenant.authorize(client_id=UNKNOWN, redirect_uri=CALLBACK).status_code == 302


def test_a_copy_is_used_if_the_internet_may_be_used_but_does_not_answer(
    start: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: Any, **__: Any) -> Any:
        raise OSError("no network")

    monkeypatch.setattr("anyio.getaddrinfo", fail)
    tenant = start(supported(**DYNAMIC), fetcher=Fetcher())
    assert tenant.authorize(client_id=CLAUDE_CODE, redirect_uri="http://localhost:1/callback").status_code == 302
    assert "could not be resolved" in tenant.authorize(client_id=UNKNOWN, redirect_uri=CALLBACK).text


def test_null_in_a_document_is_not_given(start: Any) -> None:
    nothing = dict.fromkeys(("application_type", "jwks", "jwks_uri", "description", "logo_uri"))
    files = {UNKNOWN: {**document(UNKNOWN), **nothing, "token_endpoint_auth_method": None}}
    tenant = start(supported(**DYNAMIC), lambda file: file.update(client_metadata_documents=files))
    assert tenant.authorize(client_id=UNKNOWN, redirect_uri=CALLBACK).status_code == 302


def test_private_addresses_are_refused_unless_a_switch_allows_them(start: Any, site: Site) -> None:
    tenant = start_with(start, site, supported(**DYNAMIC), allow_private=False)
    url = site.put("/client.json", document(f"{site.url}/client.json"))
    assert "must not be on localhost" in tenant.authorize(client_id=url, redirect_uri=CALLBACK).text
    by_address = "https://10.0.0.1/client.json"
    assert "not public" in tenant.authorize(client_id=by_address, redirect_uri=CALLBACK).text
    assert site.asked == []


def test_a_server_with_an_untrusted_certificate_is_refused(start: Any, site: Site) -> None:
    tenant = start(supported(**DYNAMIC), fetcher=Fetcher(allow_private=True))
    url = site.put("/client.json", document(f"{site.url}/client.json"))
    assert "could not be fetched" in tenant.authorize(client_id=url, redirect_uri=CALLBACK).text


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.0.1", "169.254.169.254", "0.0.0.0", "100.64.0.1"),
        *("224.0.0.1", "255.255.255.255", "192.0.2.1", "::1", "::", "fe80::1%eth0", "fd00::1", "ff02::1"),
        *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "2002:7f00:1::", "64:ff9b::7f00:1", "64:ff9b::a00:1"),
    ],
)
def test_an_address_that_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["1.1.1.1", "8.8.8.8", "2606:4700::1111", "64:ff9b::808:808"])
def test_an_address_that_is_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        "http://a.example/c.json",
        "https:///c.json",
        "https://localhost/c.json",
        "https://127.0.0.1/c.json",
        "https://[::1]/c.json",
        "https://a.example",
        "https://a.example/",
        "https://a.example/../c.json",
        "https://a.example/x/%2e%2E/c.json",
        "https://a.example/" + "x" * 120,
        " https://a.example/c.json",
        "https://u:p@a.example/c.json",
        "https://a.example/c.json#f",
        "https://a.example/c.json?x=1",
        "https://a.example:0/c.json",
        "https://a.example/%zz.json",
        "https://a.example:port/c.json",
    ],
)
def test_urls_that_auth0_forbids(url: str) -> None:
    with pytest.raises(InvalidClientMetadata):
        checked_url(url)


def test_a_url_that_auth0_allows() -> None:
    assert checked_url("https://a.example:8443/x/c%20d.json")
