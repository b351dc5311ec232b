from __future__ import annotations

import base64
import hashlib
from typing import Any

from cryptography import x509


def test_both_well_known_paths_answer_the_same_document(tenant: Any) -> None:
    openid = tenant.http.get("/.well-known/openid-configuration")
    oauth = tenant.http.get("/.well-known/oauth-authorization-server")
    assert openid.status_code == oauth.status_code == 200
    assert openid.content == oauth.content


def test_the_issuer_ends_in_a_slash_and_endpoints_follow_it(tenant: Any) -> None:
    document = tenant.http.get("/.well-known/openid-configuration").json()
    assert document["issuer"] == "http://localhost:9000/"
    assert document["authorization_endpoint"] == "http://localhost:9000/authorize"
    assert document["token_endpoint"] == "http://localhost:9000/oauth/token"
    assert document["jwks_uri"] == "http://localhost:9000/.well-known/jwks.json"
    assert document["code_challenge_methods_supported"] == ["S256", "plain"]


def test_iss_in_the_response_is_advertised_only_if_its_setting_is_on(start: Any) -> None:
    name = "authorization_response_iss_parameter_supported"
    assert start().http.get("/.well-known/openid-configuration").json()[name] is True
    off = start(lambda file: file["tenant"].update({name: False}))
    assert name not in off.http.get("/.well-known/openid-configuration").json()


def test_api_scopes_are_never_listed(tenant: Any) -> None:
    assert "access:mcp" not in tenant.http.get("/.well-known/openid-configuration").json()["scopes_supported"]


def test_every_listed_grant_type_and_response_type_gets_an_answer_that_auth0_also_gives(tenant: Any) -> None:
    document = tenant.http.get("/.well-known/openid-configuration").json()
    for grant_type in document["grant_types_supported"]:
        if grant_type != "implicit":
            assert tenant.token(grant_type=grant_type).json()["error"] != "unsupported_grant_type", grant_type
    for response_type in document["response_types_supported"]:
        assert "unsupported_response_type" not in str(tenant.authorize(response_type=response_type).headers)


def test_every_listed_endpoint_exists(tenant: Any) -> None:
    document = tenant.http.get("/.well-known/openid-configuration").json()
    endpoints = [value for name, value in document.items() if name.endswith(("_endpoint", "_uri"))]
    assert len(endpoints) == 8
    for endpoint in endpoints:
        assert tenant.http.get(endpoint).status_code != 404, endpoint


def test_the_jwks_has_two_keys_in_auth0s_form(tenant: Any) -> None:
    response = tenant.http.get("/.well-known/jwks.json")
    keys = response.json()["keys"]
    assert [list(key) for key in keys] == [["kty", "use", "n", "e", "kid", "x5t", "x5c", "alg"]] * 2
    assert response.headers["cache-control"].startswith("public, max-age=15")
    for key in keys:
        der = base64.b64decode(key["x5c"][0])
        certificate = x509.load_der_x509_certificate(der)
        assert certificate.subject.rfc4514_string() == "CN=localhost"
        assert key["x5t"] == base64.urlsafe_b64encode(hashlib.sha1(der).digest()).rstrip(b"=").decode()
        assert len(key["kid"]) == 21


def test_livez_and_the_home_page_need_no_credentials(tenant: Any) -> None:
    assert tenant.http.get("/livez").text == "ok"
    home = tenant.http.get("/?tab=settings")
    assert "http://localhost:9000/.well-known/openid-configuration" in home.text
    assert "alice@example.com" in tenant.http.get("/?tab=users").text
    assert "default-src 'none'" in home.headers["content-security-policy"]
