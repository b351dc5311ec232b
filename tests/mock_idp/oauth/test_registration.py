from __future__ import annotations

from typing import Any

import pytest

API = "http://localhost:5555/mcp"
CALLBACK = "http://localhost:6274/oauth/callback"


def open_tenant(file: dict[str, Any]) -> None:
    file["tenant"]["flags"] = {"enable_dynamic_client_registration": True}
    file["databases"][0]["is_domain_connection"] = True
    grant = {"default_for": "third_party_clients", "audience": API, "subject_type": "user", "scope": ["access:mcp"]}
    file["clientGrants"].append(grant)


@pytest.fixture
def tenant(start: Any) -> Any:
    return start(open_tenant)


def register(tenant: Any, **changes: Any) -> Any:
    metadata = {
        "client_name": "Inspector",
        "redirect_uris": [CALLBACK],
        "token_endpoint_auth_method": "none",
        "grant_types": ["authorization_code", "refresh_token", "client_credentials", "implicit"],
        "response_types": ["code"],
        "resource": "ignored, as RFC 7591 says of what is not understood",
        **changes,
    }
    return tenant.http.post("/oidc/register", json={k: v for k, v in metadata.items() if v is not None})


def test_registration_is_advertised_and_refused_while_it_is_off(start: Any) -> None:
    tenant = start()
    document = tenant.http.get("/.well-known/openid-configuration").json()
    assert document["registration_endpoint"] == "http://localhost:9000/oidc/register"
    response = register(tenant)
    assert response.status_code == 403
    assert response.json()["error"] == "access_denied"


def test_a_public_client_gets_an_id_and_no_secret(tenant: Any) -> None:
    response = register(tenant)
    answer = response.json()
    assert response.status_code == 201
    assert answer["client_id"].startswith("tpc_")
    assert len(answer["client_id"]) == 36
    assert answer == {
        "client_name": "Inspector",
        "client_id": answer["client_id"],
        "redirect_uris": [CALLBACK],
        "client_secret_expires_at": 0,
        "grant_types": ["authorization_code", "refresh_token"],
        "token_endpoint_auth_method": "none",
    }


def test_defaults_are_auth0s(tenant: Any) -> None:
    answer = tenant.http.post("/oidc/register", json={"redirect_uris": ["https://app.example/cb"]}).json()
    assert answer["client_name"] == "My App"
    assert answer["token_endpoint_auth_method"] == "client_secret_post"
    assert len(answer["client_secret"]) == 64


def test_a_registered_client_signs_in_under_the_strict_rules(tenant: Any) -> None:
    client_id = register(tenant).json()["client_id"]
    scope = "openid profile email access:mcp offline_access"
    asked = {"client_id": client_id, "redirect_uri": CALLBACK, "scope": scope}
    code = tenant.sign_in(**asked)["code"]
    answer = tenant.redeem(code, client=(client_id, None), redirect_uri=CALLBACK).json()
    assert answer["scope"] == "access:mcp offline_access"
    assert "id_token" not in answer
    userinfo = tenant.http.get("/userinfo", headers={"Authorization": f"Bearer {answer['access_token']}"})
    assert userinfo.status_code == 401
    again = tenant.token((client_id, None), grant_type="refresh_token", refresh_token=answer["refresh_token"]).json()
    assert again["refresh_token"] != answer["refresh_token"]


def test_the_consent_page_of_a_third_party_client_names_its_permissions(tenant: Any) -> None:
    client_id = register(tenant, client_name="Inspector & Co").json()["client_id"]
    asked = tenant.authorize(client_id=client_id, redirect_uri=CALLBACK, scope="access:mcp")
    page = tenant.http.get(tenant.follow(tenant.log_in(asked)).headers["location"]).text
    for text in ("Inspector &amp; Co", "third-party", "localhost:6274", "access:mcp"):
        assert text in page


def test_errors_of_a_third_party_client_stay_on_a_page(tenant: Any) -> None:
    client_id = register(tenant).json()["client_id"]
    for changes in ({"audience": "http://nowhere/"}, {"code_challenge": None}, {"claims": "{}"}, {"prompt": "none"}):
        response = tenant.authorize(client_id=client_id, redirect_uri=CALLBACK, **changes)
        assert response.status_code in (400, 403)
        assert "location" not in response.headers
    asked = tenant.authorize(client_id=client_id, redirect_uri=CALLBACK, scope="access:mcp")
    declined = tenant.decide(tenant.follow(tenant.log_in(asked)), "deny")
    assert "location" not in declined.headers
    assert "access_denied" in declined.text


def test_a_confidential_third_party_client_from_the_tenant_file_may_have_client_credentials(start: Any) -> None:
    def change(file: dict[str, Any]) -> None:
        file["clients"].append({"name": "Partner", "is_first_party": False, "grant_types": ["client_credentials"]})
        grant = {"client_id": "Partner", "audience": API, "subject_type": "client", "scope": ["access:mcp"]}
        file["clientGrants"].append(grant)

    tenant = start(change)
    partner = next(c for c in tenant.idp.tenant.clients.values() if c.name == "Partner")
    assert partner.client_id.startswith("tpc_")
    answer = tenant.token((partner.client_id, partner.secret), grant_type="client_credentials", audience=API)
    assert answer.status_code == 200


def test_strict_clients_have_no_logout_endpoint(tenant: Any) -> None:
    client_id = register(tenant).json()["client_id"]
    assert tenant.http.get("/v2/logout", params={"client_id": client_id}).status_code == 400


def test_permissive_mode_registers_clients_as_before(start: Any) -> None:
    def change(file: dict[str, Any]) -> None:
        open_tenant(file)
        file["tenant"]["dynamic_client_registration_security_mode"] = "permissive"

    tenant = start(change)
    client_id = register(tenant).json()["client_id"]
    assert not client_id.startswith("tpc_")
    asked = {"client_id": client_id, "redirect_uri": CALLBACK}
    answer = tenant.redeem(tenant.sign_in(**asked)["code"], client=(client_id, None), redirect_uri=CALLBACK).json()
    assert "id_token" in answer


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"redirect_uris": None}, "invalid_redirect_uri"),
        ({"redirect_uris": []}, "invalid_redirect_uri"),
        ({"redirect_uris": "https://a/"}, "invalid_redirect_uri"),
        ({"redirect_uris": [1]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["javascript:alert(1)"]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["http://app.example/cb"]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["https://*.example/cb"]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["https://a.example/cb#x"]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["https://me@a.example/cb"]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["https://[::1/cb"]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["https://a.example:x/cb"]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["/cb"]}, "invalid_redirect_uri"),
        ({"token_endpoint_auth_method": "tls_client_auth"}, "invalid_client_metadata"),
        ({"token_endpoint_auth_method": []}, "invalid_client_metadata"),
        ({"grant_types": ["password"]}, "invalid_client_metadata"),
        ({"grant_types": "authorization_code"}, "invalid_client_metadata"),
        ({"client_name": "<b>"}, "invalid_client_metadata"),
        ({"client_name": "\u202e\u200b\n"}, "invalid_client_metadata"),
        ({"client_name": "x" * 256}, "invalid_client_metadata"),
        ({"client_name": 5}, "invalid_client_metadata"),
    ],
)
def test_wrong_metadata_is_refused(tenant: Any, changes: dict[str, Any], error: str) -> None:
    response = register(tenant, **changes)
    assert response.status_code == 400
    assert response.json()["error"] == error


@pytest.mark.parametrize(
    "uri",
    [
        "cursor://anysphere.cursor-retrieval/oauth/callback",
        "vscode://publisher.extension/callback",
        "warp://mcp/oauth2callback",
        "com.example.app:/callback",
        "io.example.some-app://callback?x=1",
        "https://app.example/cb?x=1",
        "http://[::1]:33418/",
    ],
)
def test_a_callback_that_leads_only_to_its_application_can_be_registered(tenant: Any, uri: str) -> None:
    assert register(tenant, redirect_uris=[uri]).json()["redirect_uris"] == [uri]


@pytest.mark.parametrize(
    "uri",
    [
        *("javascript:alert(1)", "data:text/html,x", "vbscript:x", "about:blank", "blob:https://a/x"),
        *("file:///etc/passwd", "filesystem:https://a/temporary/x", "view-source:https://a.example/", "ftp://a/"),
        *(
            "intent://scan/#Intent;scheme=zxing;end",
            "intent:x",
            "ms-settings:privacy",
            "ms-msdt:/id",
            "search-ms:query",
        ),
        *("shell:x", "ssh://a", "telnet://a", "steam://run/1", "mailto:a@b.c", "tel:1", "ws://a/", "chrome://settings"),
        *("myapp://callback", "VIEW-SOURCE:x", ".a:/x", "a..b:/x", "a.:/x"),
        *(
            "https://evil.example/\\@localhost/",
            "https://evil.example\\@localhost/",
            "http://localhost:1\\@evil.example/",
        ),
        *(
            "https://a.example/{x}",
            "https://a.example/<x>",
            'https://a.example/"',
            "https://a.example/é",
            "//a.example/",
        ),
        *("https://a.example/ x", "https://a.example/\t", "https://a.example/\x00", "https:///cb", "http://0.0.0.0/cb"),
    ],
)
def test_a_callback_that_a_browser_runs_or_reads_in_another_way_is_refused(tenant: Any, uri: str) -> None:
    response = register(tenant, redirect_uris=[uri])
    assert response.status_code == 400
    assert response.json()["error"] == "invalid_redirect_uri"


def test_null_in_a_registration_is_not_given_for_every_member(tenant: Any) -> None:
    names = ("client_name", "token_endpoint_auth_method", "grant_types", "response_types", "scope", "logo_uri", "jwks")
    metadata = {"redirect_uris": ["https://app.example/cb"], **dict.fromkeys(names)}
    answer = tenant.http.post("/oidc/register", json=metadata)
    assert answer.status_code == 201, answer.text
    without_null = tenant.http.post("/oidc/register", json={"redirect_uris": ["https://app.example/cb"]}).json()
    issued = {"client_id", "client_secret"}
    assert {k: v for k, v in answer.json().items() if k not in issued} == {
        k: v for k, v in without_null.items() if k not in issued
    }
    assert tenant.http.post("/oidc/register", json={"redirect_uris": None}).json()["error"] == "invalid_redirect_uri"


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("Gate\u202ehouse", "Gatehouse"),
        ("Gate\u200bhouse\u2066 agent", "Gatehouse agent"),
        ("two\nlines\tand  spaces ", "two lines and spaces"),
        ("bell\x07 and null\x00", "bell and null"),
        ("日本語の名前", "日本語の名前"),
    ],
)
def test_a_registered_name_is_one_line_without_invisible_characters(tenant: Any, sent: str, kept: str) -> None:
    answer = register(tenant, client_name=sent).json()
    assert answer["client_name"] == kept
    asked = tenant.authorize(client_id=answer["client_id"], redirect_uri=CALLBACK, scope="access:mcp")
    page = tenant.http.get(tenant.follow(tenant.log_in(asked)).headers["location"]).text
    assert kept in page
    assert sent not in page or sent == kept


def test_the_status_codes_that_are_guesses_can_be_switched(start: Any) -> None:
    def switches(file: dict[str, Any]) -> None:
        file["behaviours"] = {"registration_status": 200, "answers": {"registration_off": {"status": 404}}}

    assert register(start(open_tenant, switches)).status_code == 200
    assert register(start(offline=switches)).status_code == 404


@pytest.mark.parametrize(("mode", "status"), [("documents", 400), ("exact", 400), ("any_port", 302)])
def test_a_switch_allows_any_port_of_a_loopback_callback(start: Any, mode: str, status: int) -> None:
    tenant = start(offline=lambda file: file.update(behaviours={"loopback_redirect": mode}))
    asked = "http://localhost:61234/callback"
    assert tenant.authorize(redirect_uri=asked).status_code == status
    if mode == "any_port":
        code = tenant.sign_in(redirect_uri=asked)["code"]
        assert tenant.redeem(code).json()["error"] == "invalid_grant"
        for other in ("http://127.0.0.1:61234/callback", "http://localhost:1/other", "https://localhost:1/callback"):
            assert tenant.authorize(redirect_uri=other).status_code == 400
        for evil in ("http://localhost:1@evil.example/callback", "http://localhost:1\\@evil.example/callback"):
            assert tenant.authorize(redirect_uri=evil).status_code == 400
