"""The answer to any request has a documented form and is never a 500."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from anyio.from_thread import BlockingPortal
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from mock_idp.app import create_app
from mock_idp.control import ControlAccess
from mock_idp.state.clock import Clock
from mock_idp.state.faults import Fault
from mock_idp.state.idp import Idp
from mock_idp.state.signing_keys import KeyRing
from mock_idp.tenant.loading import load_configuration
from tests.support.fuzzing import fuzz

AUTH0 = Path(__file__).parents[3] / "auth0"
ISSUER = "http://localhost:9000/"
FUZZ = fuzz(50)

CALLBACK = "http://localhost:5000/callback"
HOSTS = ("", "localhost:9000", "localhost:5000", "localhost:6274", "localhost:8642")
"""Where a redirect may lead: within the tenant, or to a registered callback, the first one by default."""
JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
INSPECTOR = "tpc_GatehouseInspectorDemoClient00000"
# Values that are valid somewhere, so that requests pass the first check.
KNOWN = [
    *("GatehouseAgentDemoClient00000000", "GatehouseMachineDemoClient000000", INSPECTOR),
    *("demo-secret-of-the-offline-tenant-never-use-it-with-a-real-one-1", CALLBACK),
    *("http://localhost:6274/oauth/callback", "http://localhost:5555/mcp", "http://localhost:5555/mcp/"),
    *("code", "token", "query", "fragment", "form_post", "openid profile email access:mcp offline_access", "S256"),
    *("plain", "v" * 43, "none", "login", "consent", "select_account none", "authorization_code", "refresh_token"),
    *("client_credentials", "urn:ietf:params:oauth:grant-type:device_code", "0", "-1", "99999999999999999999"),
    *("urn:ietf:params:oauth:grant-type:token-exchange", "urn:ietf:params:oauth:token-type:access_token"),
    *("urn:ietf:params:oauth:client-assertion-type:jwt-bearer", "eyJhbGciOiJub25lIn0.e30.", "a.b.c", "a.b.c.d.e"),
    *("alice@example.com", "Wonderland-1", "accept", "deny", "default", "BCDF-GHJK", "https://x.example/c.json"),
    *(
        "https://[::1",
        "http://localhost:x/",
        "//evil.example",
        "https://10.0.0.1/c.json",
        "\x00",
        "\udcff".encode("utf-8", "replace").decode(),
    ),
]
GRANTS = [value for value in KNOWN if value.startswith(("urn:", "authorization_", "refresh_", "client_c"))]
NAMES = [
    *("client_id", "client_secret", "redirect_uri", "response_type", "response_mode", "scope", "state", "nonce"),
    *("audience", "resource", "code_challenge", "code_challenge_method", "prompt", "max_age", "login_hint", "code"),
    *("ui_locales", "grant_type", "code_verifier", "refresh_token", "token", "device_code", "user_code", "action"),
    *("subject_token", "subject_token_type", "requested_token_type", "client_assertion", "client_assertion_type"),
    *("username", "password", "id_token_hint", "logout_hint", "post_logout_redirect_uri", "returnTo", "ext-x"),
    *("connection", "screen_hint", "email", "ticket", "tab", "page", "outcome", "text"),
]
text = st.text(st.characters(codec="utf-8"), max_size=40)
values = st.sampled_from(KNOWN) | text
pairs = st.lists(st.tuples(st.sampled_from(NAMES) | text, values), max_size=12)
documents = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.just("\ud800")
    | st.floats(allow_nan=False, allow_infinity=False)
    | values,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(NAMES) | text, inner, max_size=6),
    max_leaves=12,
)
headers = st.fixed_dictionaries(
    {},
    optional={
        "Authorization": st.sampled_from(
            ["Bearer", "Bearer a.b.c", "Bearer eyJ..x.y.z", "Basic", "Basic !!", "Basic YTpi", "Basic /////w==", "x"]
        ),
        "Cookie": st.sampled_from(["auth0_session_9000=x", "auth0_browser_9000=" + "a" * 43, "=;=", "a=b; a=b"]),
        "Origin": st.sampled_from(["null", "http://evil.example"]),
        "Accept-Language": st.sampled_from(["ja", "*", ";;q=x", "en-US,en;q=0.5"]),
    },
)
contents = st.one_of(
    pairs.map(lambda items: (urlencode(items).encode(), "application/x-www-form-urlencoded")),
    documents.map(lambda document: (json.dumps(document).encode(), "application/json")),
    st.binary(max_size=60).map(lambda data: (data, "application/json")),
    st.tuples(st.binary(max_size=60), st.sampled_from(["application/x-www-form-urlencoded", "text/plain", "", ";"])),
    st.just((b"[" * 30_000, "application/json")),
    st.just((b"--x", "multipart/form-data; boundary=x")),
)
METADATA = ["redirect_uris", "client_name", "grant_types", "token_endpoint_auth_method", "response_types"]
SECTIONS = [
    *("tenant", "clients", "resourceServers", "roles", "databases", "clientGrants", "users", "behaviours"),
    *("organizations", "claims", "actions", "triggers"),
]
PAGES = [
    "/",
    "/authorize",
    "/authorize/resume",
    "/u/login",
    "/u/signup",
    "/u/reset-password",
    "/u/reset-verify",
    "/u/organization",
    "/u/consent",
    "/activate",
    "/v2/logout",
    "/oidc/logout",
]
FORMS = [
    *("/authorize", "/u/login", "/u/signup", "/u/reset-password", "/u/reset-verify", "/u/organization", "/u/consent"),
    *("/u/logout", "/activate", "/oidc/logout"),
]
JSON_ENDPOINTS = ["/oauth/token", "/oauth/revoke", "/oauth/device/code", "/oauth/par", "/oidc/register", "/userinfo"]
DATABASES = ["/dbconnections/signup", "/dbconnections/change_password"]
CONTROL = [
    *(("POST", path) for path in ("tokens", "clock", "snapshots", "faults", "clients/cimd", "keys/rotate")),
    *(("POST", path) for path in ("presets/none", "keys/none/revoke", "keys/none/withhold", "snapshots/x/restore")),
    *(("PATCH", "configuration"), ("PUT", "users/x@y"), ("PUT", "clients/X"), ("PUT", "roles/r")),
    *(("PUT", "resource-servers/http://localhost:5555/mcp"), ("DELETE", "client-grants"), ("DELETE", "users/x")),
]


MANAGEMENT = [
    *(("POST", path) for path in ("clients", "resource-servers", "client-grants", "roles", "connections", "users")),
    *(("PATCH", path) for path in ("tenants/settings", "clients/GatehouseAgentDemoClient00000000", "roles/x")),
    *(("PATCH", path) for path in ("resource-servers/http%3A%2F%2Flocalhost%3A5555%2Fmcp", "users/x", "clients/%00")),
    *(("POST", "organizations"), ("PATCH", "organizations/org_x"), ("POST", "organizations/org_x/members")),
    *(("PATCH", "attack-protection/brute-force-protection"), ("PATCH", "users/auth0|65a11ce00000000000000001")),
    *(("POST", "clients/cimd/register"), ("DELETE", "users/x/roles"), ("PATCH", "connections/x/clients")),
]
MANAGER = {
    "client_id": "GatehouseSetUpDemoClient00000000",
    "client_secret": "demo-secret-of-the-offline-tenant-never-use-it-with-a-real-one-4",
}
MEMBERS = [
    *("name", "identifier", "scopes", "callbacks", "app_type", "grant_types", "client_id", "audience", "subject_type"),
    *("strategy", "options", "enabled_clients", "flags", "email", "password", "connection", "permissions", "roles"),
    *("display_name", "metadata", "enabled_connections", "members", "max_attempts", "allowlist", "blocked", "shields"),
    *("refresh_token", "jwt_configuration", "token_lifetime", "description", "default_audience", "default_for"),
]


@pytest.fixture(scope="module")
def idp(keys: KeyRing) -> Idp:
    return Idp.start(load_configuration(AUTH0 / "tenant.yaml", AUTH0 / "offline.yaml"), keys, Clock())


@pytest.fixture(scope="module")
def http(idp: Idp, portal: BlockingPortal) -> TestClient:
    app = create_app(idp, ISSUER, ControlAccess())
    client = TestClient(app, base_url="http://localhost:9000", follow_redirects=False, client=("127.0.0.1", 1))
    client.portal = portal
    return client


def send_json(http: TestClient, method: str, path: str, document: Any) -> Any:
    """Send JSON as ASCII, so that it can contain lone surrogates."""
    return http.request(method, path, content=json.dumps(document), headers={"Content-Type": "application/json"})


def check_page(response: Any) -> None:
    """A page of the tenant with its headers, or a redirect within it or to a registered callback."""
    assert response.status_code < 500, response.text
    if response.status_code in (302, 307):
        target = urlsplit(response.headers["location"])
        assert target.netloc in HOSTS, target
        return
    if response.status_code in (404, 405, 413):
        return
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in response.headers["content-security-policy"]
    if response.status_code != 200:
        assert response.status_code in (400, 403)


def check_json(response: Any) -> None:
    """A success, or an OAuth error that is not cached."""
    assert response.status_code in (200, 201, 400, 401, 403, 405, 413, 429), response.text
    if response.status_code in (405, 413) or response.content == b"":
        return
    answer = response.json()
    assert response.headers["cache-control"] == "no-store"
    if response.status_code >= 400:
        assert set(answer) - {"error_uri"} == {"error", "error_description"}
        assert isinstance(answer["error"], str)
        assert isinstance(answer["error_description"], str)


@FUZZ
@given(path=st.sampled_from(PAGES), items=pairs, extra=headers)
def test_pages_answer_any_query(http: TestClient, path: str, items: list[Any], extra: dict[str, str]) -> None:
    check_page(http.get(path, params=items, headers=extra))


@FUZZ
@given(path=st.sampled_from(FORMS), content=contents, extra=headers)
def test_forms_answer_any_body(http: TestClient, path: str, content: tuple[bytes, str], extra: dict[str, str]) -> None:
    check_page(http.post(path, content=content[0], headers={**extra, "Content-Type": content[1]}))


@FUZZ
@given(items=st.dictionaries(st.sampled_from(NAMES), values, max_size=10))
def test_an_authorization_request_that_is_nearly_right(http: TestClient, items: dict[str, str]) -> None:
    right = {
        "client_id": "GatehouseAgentDemoClient00000000",
        "redirect_uri": CALLBACK,
        "response_type": "code",
        "code_challenge": "v" * 43,
    }
    check_page(http.get("/authorize", params={**right, **items}))


@FUZZ
@given(path=st.sampled_from(JSON_ENDPOINTS), content=contents, extra=headers)
def test_json_endpoints_answer_any_body(
    http: TestClient, path: str, content: tuple[bytes, str], extra: dict[str, str]
) -> None:
    check_json(http.post(path, content=content[0], headers={**extra, "Content-Type": content[1]}))


@FUZZ
@given(
    grant=st.sampled_from(
        [value for value in KNOWN if value.startswith(("urn:", "authorization", "refresh", "client_c"))]
    ),
    items=st.dictionaries(st.sampled_from(NAMES), values, max_size=8),
    as_json=st.booleans(),
)
def test_a_token_request_of_a_known_client(http: TestClient, grant: str, items: dict[str, str], as_json: bool) -> None:
    known = {
        "client_id": "GatehouseMachineDemoClient000000",
        "client_secret": "demo-secret-of-the-offline-tenant-never-use-it-with-a-real-one-2",
        "grant_type": grant,
    }
    body = {**items, **known}
    check_json(http.post("/oauth/token", json=body) if as_json else http.post("/oauth/token", data=body))


@FUZZ
@given(
    document=st.dictionaries(
        st.sampled_from(["redirect_uris", "client_name", "grant_types", "scope"]) | text, documents
    )
)
def test_registration_answers_any_metadata(http: TestClient, document: dict[str, Any]) -> None:
    check_json(send_json(http, "POST", "/oidc/register", document))


@FUZZ
@given(
    path=st.sampled_from(DATABASES),
    document=st.dictionaries(st.sampled_from(["email", "password", "user_metadata", "name", "picture"]), documents),
)
def test_sign_up_and_password_reset_answer_any_members(
    http: TestClient, idp: Idp, path: str, document: dict[str, Any]
) -> None:
    known = {"client_id": KNOWN[0], "connection": "Username-Password-Authentication"}
    response = send_json(http, "POST", path, {**document, **known})
    assert response.status_code in (200, 400), response.text
    assert response.headers["cache-control"] == "no-store"
    idp.reset()


@FUZZ
@given(call=st.sampled_from(CONTROL), content=contents)
def test_the_control_api_answers_any_body(http: TestClient, idp: Idp, call: Any, content: tuple[bytes, str]) -> None:
    response = http.request(call[0], f"/__mock__/{call[1]}", content=content[0], headers={"Content-Type": content[1]})
    assert response.status_code in (200, 201, 204, 400, 404, 405, 413), response.text
    if response.status_code in (400, 404):
        assert response.json()["error"]
    idp.reset()


@FUZZ
@given(
    document=documents,
    name=st.sampled_from(
        ["tenant", "clients", "resourceServers", "roles", "databases", "clientGrants", "users", "behaviours"]
    ),
)
def test_a_configuration_is_accepted_or_refused_with_a_sentence(
    http: TestClient, idp: Idp, document: Any, name: str
) -> None:
    for file in ("tenant", "offline"):
        response = send_json(http, "PATCH", "/__mock__/configuration", {file: {name: document}})
        assert response.status_code in (200, 400), response.text
        assert http.get("/.well-known/openid-configuration").status_code == 200
        idp.reset()


@FUZZ
@given(claims=st.dictionaries(text, documents, max_size=4), header=st.dictionaries(text, documents, max_size=4))
def test_any_minted_token_is_refused_or_accepted(
    http: TestClient, claims: dict[str, Any], header: dict[str, Any]
) -> None:
    minted = send_json(http, "POST", "/__mock__/tokens", {"claims": claims, "header": header})
    assert minted.status_code in (200, 400)
    if minted.status_code == 200 and minted.json()["token"].isascii():
        token = minted.json()["token"]
        check_json(http.get("/userinfo", headers={"Authorization": f"Bearer {token}"}))
        form = {"client_assertion": token, "client_assertion_type": JWT_BEARER, "grant_type": "client_credentials"}
        check_json(http.post("/oauth/token", data=form))


@FUZZ
@given(path=text, method=st.sampled_from(["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"]))
def test_paths_that_do_not_exist(http: TestClient, path: str, method: str) -> None:
    url = f"/nothing/{path.encode().hex()}"
    assert http.request(method, url).status_code in (404, 405)


@FUZZ
@given(
    call=st.sampled_from(MANAGEMENT),
    document=st.dictionaries(st.sampled_from(MEMBERS) | text, documents, max_size=6) | documents,
    query=st.dictionaries(st.sampled_from(["page", "per_page", "take", "from", "fields", "q"]), values, max_size=3),
)
def test_the_management_api_answers_any_body(
    http: TestClient, idp: Idp, call: tuple[str, str], document: Any, query: dict[str, str]
) -> None:
    idp.reset()
    form = {"grant_type": "client_credentials", "audience": f"{ISSUER}api/v2/"}
    token = http.post("/oauth/token", data={**form, **MANAGER}).json()["access_token"]
    authorized = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    content = json.dumps(document)
    for method, body in ((call[0], content), ("GET", None)):
        answer = http.request(method, f"/api/v2/{call[1]}", content=body, params=query, headers=authorized)
        assert answer.status_code < 500, answer.text
        if answer.status_code >= 400 and answer.status_code != 405:
            assert set(answer.json()) == {"statusCode", "error", "message", "errorCode"}
    check_page(http.get("/?tab=clients"))


def test_a_fault_is_the_only_way_to_a_500(http: TestClient, idp: Idp) -> None:
    idp.faults.add(Fault(endpoint="jwks", status=500))
    assert http.get("/.well-known/jwks.json").status_code == 500
    assert http.get("/.well-known/jwks.json").status_code == 200
