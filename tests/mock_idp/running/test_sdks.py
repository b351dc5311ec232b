"""Unmodified software for Auth0 or OpenID Connect, used with the tenant over TLS."""

from __future__ import annotations

import asyncio
import ssl
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import httpx2
import pytest
import yaml
from starlette.applications import Starlette
from starlette.requests import Request

from tests.support.scripted_browser import callback_url

with warnings.catch_warnings(record=True):
    # The SDK uses a deprecated module of authlib.
    from auth0.authentication import Database, GetToken, Users
    from auth0.authentication.exceptions import Auth0Error, TokenValidationError
    from auth0.authentication.token_verifier import AsymmetricSignatureVerifier, TokenVerifier
    from auth0.management import ManagementClient
    from auth0.management.core.api_error import ApiError
    from auth0_api_python import ApiClient, ApiClientOptions
    from auth0_api_python.errors import VerifyAccessTokenError
    from authlib.integrations.starlette_client import OAuth

BASE = Path(__file__).parents[1] / "base"
ALICE = "alice@example.com"
API = "http://localhost:5555/mcp"
CALLBACK = "http://localhost:5000/callback"
AGENT = ("GatehouseAgentDemoClient00000000", "demo-secret-of-the-offline-tenant-never-use-it-with-a-real-one-1")
MACHINE = ("GatehouseMachineDemoClient000000", "demo-secret-of-the-offline-tenant-never-use-it-with-a-real-one-2")
NEXT = "https://next.example/"


def document(name: str) -> Any:
    return yaml.safe_load((BASE / name).read_text(encoding="utf-8"))


@pytest.fixture
def tenant(start_offline_tenant: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Any:
    file = document("tenant.yaml")
    scope = {"value": "read:calendar", "description": "Read"}
    file["resourceServers"].append({"name": "Next", "identifier": NEXT, "scopes": [scope]})
    exchange = {"allow_any_profile_of_type": ["on_behalf_of_token_exchange"]}
    api_client = {"name": "MCP server", "app_type": "resource_server", "resource_server_identifier": API}
    file["clients"].append({**api_client, "token_exchange": exchange})
    running = start_offline_tenant(file, document("offline.yaml"))
    monkeypatch.setenv("SSL_CERT_FILE", str(running.ca_file))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(running.ca_file))
    return running


def trust(tenant: Any) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=tenant.ca_file)


def alices_token(tenant: Any, scope: str = "openid access:mcp") -> dict[str, Any]:
    parameters = {
        "response_type": "code",
        "client_id": AGENT[0],
        "redirect_uri": CALLBACK,
        "scope": scope,
        "audience": API,
    }
    url = str(httpx2.URL(f"{tenant.tls_issuer}authorize", params=parameters))
    code = parse_qs(urlsplit(callback_url(url, ALICE, trusted=trust(tenant))).query)["code"][0]
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK}
    form |= {"client_id": AGENT[0], "client_secret": AGENT[1]}
    answer: dict[str, Any] = httpx2.post(f"{tenant.tls_issuer}oauth/token", data=form, verify=trust(tenant)).json()
    return answer


def verified(tenant: Any, token: str, audience: str = API) -> dict[str, Any]:
    client = ApiClient(ApiClientOptions(domain=tenant.domain, audience=audience))
    claims: dict[str, Any] = asyncio.run(client.verify_access_token(token))
    return claims


def test_auth0_python_gets_a_token_for_a_machine(tenant: Any) -> None:
    answer = GetToken(tenant.domain, MACHINE[0], client_secret=MACHINE[1]).client_credentials(API)
    assert answer["token_type"] == "Bearer"
    assert verified(tenant, answer["access_token"])["sub"] == f"{MACHINE[0]}@clients"


def test_auth0_python_reads_the_error_of_a_refusal(tenant: Any) -> None:
    with pytest.raises(Auth0Error, match="Service not enabled within domain: http://nowhere/") as refused:
        GetToken(tenant.domain, MACHINE[0], client_secret=MACHINE[1]).client_credentials("http://nowhere/")
    assert refused.value.status_code == 403
    assert refused.value.error_code == "access_denied"


def test_auth0_python_signs_a_person_up_and_asks_for_a_password_reset(tenant: Any) -> None:
    database, connection = Database(tenant.domain, AGENT[0]), "Username-Password-Authentication"
    answer = database.signup("dora@example.com", "Detective-4", connection, user_metadata={"plan": "free"})
    assert (answer["email"], answer["email_verified"]) == ("dora@example.com", False)
    with pytest.raises(Auth0Error) as refused:
        database.signup("dora@example.com", "Detective-4", connection)
    assert (refused.value.status_code, refused.value.error_code) == (400, "invalid_signup")
    assert "We've just sent you an email" in database.change_password("dora@example.com", connection)


def test_auth0_python_reads_userinfo_and_verifies_the_id_token(tenant: Any) -> None:
    tokens = alices_token(tenant, "openid profile email access:mcp")
    assert Users(tenant.domain).userinfo(tokens["access_token"])["email"] == "alice@example.com"
    signature = AsymmetricSignatureVerifier(f"https://{tenant.domain}/.well-known/jwks.json")
    verifier = TokenVerifier(signature_verifier=signature, issuer=tenant.tls_issuer, audience=AGENT[0])
    assert verifier.verify(tokens["id_token"])["name"] == "Alice Adams"
    foreign = TokenVerifier(signature_verifier=signature, issuer=tenant.tls_issuer, audience="somebody")
    with pytest.raises(TokenValidationError):
        foreign.verify(tokens["id_token"])


def test_auth0_api_python_verifies_an_access_token(tenant: Any) -> None:
    claims = verified(tenant, alices_token(tenant)["access_token"])
    assert claims["permissions"] == ["access:mcp"]


def test_auth0_api_python_refuses_another_audience_and_another_issuer(tenant: Any) -> None:
    token = alices_token(tenant)["access_token"]
    with pytest.raises(VerifyAccessTokenError):
        verified(tenant, token, audience="https://other.example/")
    plain = httpx2.post(
        f"{tenant.issuer}oauth/token",
        data={
            "grant_type": "client_credentials",
            "audience": API,
            "client_id": MACHINE[0],
            "client_secret": MACHINE[1],
        },
    ).json()["access_token"]
    with pytest.raises(VerifyAccessTokenError):
        verified(tenant, plain)


@pytest.mark.parametrize("variant", ["expired", "foreign-audience", "wrong-key", "unknown-kid", "alg-none"])
def test_auth0_api_python_refuses_hostile_tokens(tenant: Any, variant: str) -> None:
    answer = httpx2.post(f"{tenant.tls_issuer}__mock__/tokens", json={"variant": variant}, verify=trust(tenant))
    with pytest.raises(VerifyAccessTokenError):
        verified(tenant, answer.json()["token"])


def test_auth0_api_python_breaks_on_a_key_that_is_not_published_yet(tenant: Any) -> None:
    """The SDK does not fetch the keys again for an unknown key. Late publication of a key shows this."""
    httpx2.post(f"{tenant.tls_issuer}__mock__/keys/rotate", json={"publish": False}, verify=trust(tenant))
    token = alices_token(tenant)["access_token"]
    with pytest.raises(VerifyAccessTokenError, match="No matching key"):
        verified(tenant, token)


def test_auth0_api_python_exchanges_a_token_on_behalf_of_the_user(tenant: Any) -> None:
    server = next(c for c in tenant.idp.tenant.clients.values() if c.name == "MCP server")
    options = ApiClientOptions(
        domain=tenant.domain, audience=API, client_id=server.client_id, client_secret=server.secret
    )
    token = alices_token(tenant)["access_token"]
    result = asyncio.run(ApiClient(options).get_token_on_behalf_of(token, NEXT, "read:calendar"))
    claims = verified(tenant, result["access_token"], audience=NEXT)
    assert claims["act"] == {"sub": server.client_id, "act": {"sub": AGENT[0]}}


def test_authlib_discovers_signs_in_with_pkce_and_validates_the_id_token(tenant: Any) -> None:
    registry = OAuth()
    registry.register(
        "tenant",
        client_id=AGENT[0],
        client_secret=AGENT[1],
        server_metadata_url=f"{tenant.tls_issuer}.well-known/openid-configuration",
        client_kwargs={
            "scope": "openid profile email",
            "code_challenge_method": "S256",
            "token_endpoint_auth_method": "client_secret_post",
        },
    )

    def request(query: str) -> Request:
        scope = {"type": "http", "method": "GET", "path": "/callback", "query_string": query.encode(), "headers": []}
        return Request({**scope, "session": session, "app": Starlette()})

    session: dict[str, Any] = {}

    async def sign_in() -> Any:
        redirect = await registry.tenant.authorize_redirect(request(""), CALLBACK)
        back = callback_url(redirect.headers["location"], ALICE, trusted=trust(tenant))
        return await registry.tenant.authorize_access_token(request(urlsplit(back).query))

    token = asyncio.run(sign_in())
    assert token["userinfo"]["email"] == "alice@example.com"
    assert token["userinfo"]["nonce"]


def test_auth0_python_manages_users_who_sign_in_with_the_password_grant(
    start_offline_tenant: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant = start_offline_tenant()
    monkeypatch.setenv("SSL_CERT_FILE", str(tenant.ca_file))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tenant.ca_file))
    set_up = {"client_id": "example-set-up", "client_secret": "offline-secret-of-the-set-up"}
    with httpx.Client(timeout=20) as http:
        management = ManagementClient(domain=tenant.domain, httpx_client=http, **set_up)
        manage_users(tenant, management)
        manage_organizations(management)


def manage_users(tenant: Any, management: Any) -> None:
    database = "Username-Password-Authentication"
    carol = management.users.create(connection=database, email="carol@example.com", password="Carpenter-3!")
    assert management.users.get(carol.user_id).email == "carol@example.com"
    login = GetToken(tenant.domain, "example-api-tests", client_secret="offline-secret-of-the-api-tests").login
    credentials = {"username": "carol@example.com", "password": "Carpenter-3!", "realm": database}
    assert login(**credentials, audience="https://api.example.com/", scope="openid")["id_token"]
    management.users.delete(carol.user_id)
    with pytest.raises(Auth0Error, match="Wrong email or password"):
        login(**credentials)
    assert [each.type for each in management.logs.list(per_page=1)]


def manage_organizations(management: Any) -> None:
    (connection,) = management.connections.list()
    enabled = [{"connection_id": connection.id, "assign_membership_on_login": True}]
    made = management.organizations.create(name="acme", display_name="Acme", enabled_connections=enabled)
    dora = management.users.create(
        connection=connection.name, email="dora@example.com", password="Detective-4", name="D"
    )
    management.organizations.members.create(made.id, members=[dora.user_id])
    assert [each.user_id for each in management.organizations.members.list(made.id)] == [dora.user_id]
    assert [each.name for each in management.users.organizations.list(dora.user_id)] == ["acme"]
    assert [each.connection_id for each in management.organizations.enabled_connections.list(made.id)] == [
        connection.id
    ]
    assert [each.connection_id for each in management.organizations.connections.list(made.id)] == [connection.id]
    assert management.organizations.get_by_name("acme").id == made.id
    management.organizations.update(made.id, display_name="Acme Inc.")
    assert [each.display_name for each in management.organizations.list()] == ["Acme Inc."]
    management.organizations.delete(made.id)
    management.users.update(dora.user_id, blocked=True)
    assert management.users.get(dora.user_id).blocked is True
    assert management.user_blocks.list(dora.user_id).blocked_for == []
    assert management.attack_protection.brute_force_protection.get().max_attempts == 10
    with pytest.raises(ApiError) as refused:
        management.users.sessions.list(dora.user_id)
    assert refused.value.status_code == 404
