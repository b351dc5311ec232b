"""As which client: the application, the metadata document, a dynamic registration; each bound to its issuer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx2
import pytest

from gatehouse_client.errors import ConfigurationError, SignInError, TokenRefused, UnreachableError
from gatehouse_client.signin.flows.callback import CallbackAddress
from gatehouse_client.signin.flows.code import CodeFlow
from gatehouse_client.signin.http.fetch import Fetcher
from gatehouse_client.signin.http.trace import Trace
from gatehouse_client.signin.protocol.client import OAuthClient
from gatehouse_client.signin.protocol.discovery import AuthorizationServer
from gatehouse_client.signin.protocol.registration import ClientStore, PreRegistered, Registration, SelfRegistered
from gatehouse_client.signin.protocol.tokens import TokenEndpoint
from gatehouse_client.signin.provider import Provider, SignInOptions
from gatehouse_client.storage.grant import Grant

pytestmark = pytest.mark.anyio

CODE = ("authorization_code", "refresh_token")
CALLBACK = "http://localhost:5000/callback"
METADATA_URL = "https://agent.example/client.json"


class Tenant:
    """An authorization server with a registration endpoint that keeps what it was asked."""

    def __init__(self, issuer: str = "https://tenant.example/", **metadata: object) -> None:
        self.asked: list[dict[str, Any]] = []
        self.status = 201
        self.answer: dict[str, Any] = {}
        document = {
            "issuer": issuer,
            "authorization_endpoint": f"{issuer}authorize",
            "token_endpoint": f"{issuer}oauth/token",
            "registration_endpoint": f"{issuer}oidc/register",
            "token_endpoint_auth_methods_supported": ("client_secret_basic", "client_secret_post", "none"),
            **metadata,
        }
        self.server = AuthorizationServer.model_validate(document)

    def handle(self, request: httpx2.Request) -> httpx2.Response:
        assert str(request.url) == self.server.registration_endpoint
        self.asked.append(json.loads(request.content))
        return httpx2.Response(self.status, json={"client_id": f"tpc_{len(self.asked)}", **self.answer})

    def registration(self, home: Path, **options: Any) -> SelfRegistered:
        values: dict[str, Any] = {"redirect_uri": CALLBACK, "clock": lambda: 1000.0, **options}
        fetch = Fetcher(transport=httpx2.MockTransport(self.handle))
        return SelfRegistered(fetch, ClientStore(home, pytest.fail), **values)


def grant(client_id: str, issuer: str = "https://tenant.example/") -> Grant:
    return Grant(
        server="https://mcp.example/mcp",
        resource="https://mcp.example/mcp",
        issuer=issuer,
        client_id=client_id,
        token_endpoint=f"{issuer}oauth/token",
        token_endpoint_auth_method="none",
        access_token="t",
        obtained_at=1.0,
    )


async def test_an_application_goes_before_everything() -> None:
    application = OAuthClient("app", "s3cret")
    tenant = Tenant(client_id_metadata_document_supported=True)
    assert await PreRegistered(application).client_for(tenant.server, CODE) is application
    assert tenant.asked == []


async def test_a_metadata_document_goes_before_dynamic_registration(tmp_path: Path) -> None:
    tenant = Tenant(client_id_metadata_document_supported=True)
    client = await tenant.registration(tmp_path, metadata_url=METADATA_URL).client_for(tenant.server, CODE)
    assert client == OAuthClient(METADATA_URL)
    assert client.authentication(tenant.server) == "none"
    assert tenant.asked == []


async def test_where_metadata_documents_are_not_taken_the_client_registers(tmp_path: Path) -> None:
    tenant = Tenant()
    client = await tenant.registration(tmp_path, metadata_url=METADATA_URL).client_for(tenant.server, CODE)
    assert client.client_id == "tpc_1"
    assert tenant.asked == [
        {
            "client_name": "Gatehouse agent",
            "redirect_uris": [CALLBACK],
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "token_endpoint_auth_method": "none",
            "application_type": "native",
        }
    ]


async def test_a_registration_is_kept_and_used_again(tmp_path: Path) -> None:
    tenant = Tenant()
    first = await tenant.registration(tmp_path).client_for(tenant.server, CODE)
    again = tenant.registration(tmp_path)
    assert await again.client_for(tenant.server, CODE) == first
    assert len(tenant.asked) == 1
    assert again.client_of(grant("tpc_1")) == first
    assert again.client_of(grant("tpc_2")) is None
    (file,) = (tmp_path / "clients").iterdir()
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("options", "grant_types"),
    [
        ({"redirect_uri": "http://localhost:6000/callback"}, CODE),
        ({}, ("urn:ietf:params:oauth:grant-type:device_code",)),
        ({"clock": lambda: 2000.0}, CODE),
    ],
    ids=["another callback", "another grant type", "an expired secret"],
)
async def test_a_registration_that_does_not_serve_is_made_anew(
    tmp_path: Path, options: dict[str, Any], grant_types: tuple[str, ...]
) -> None:
    tenant = Tenant()
    tenant.answer = {"client_secret": "s", "client_secret_expires_at": 1500}
    await tenant.registration(tmp_path).client_for(tenant.server, CODE)
    assert (await tenant.registration(tmp_path, **options).client_for(tenant.server, grant_types)).client_id == "tpc_2"


async def test_credentials_are_never_used_at_another_issuer(tmp_path: Path) -> None:
    one, two = Tenant(), Tenant("https://two.example/")
    await one.registration(tmp_path).client_for(one.server, CODE)
    registration = two.registration(tmp_path)
    assert registration.client_of(grant("tpc_1", "https://two.example/")) is None
    await registration.client_for(two.server, CODE)
    assert len(two.asked) == 1
    assert len(list((tmp_path / "clients").iterdir())) == 2


async def test_a_deleted_registration_is_made_again(tmp_path: Path) -> None:
    tenant = Tenant()
    registration = tenant.registration(tmp_path)
    await registration.client_for(tenant.server, CODE)
    assert registration.forget(tenant.server.issuer)
    assert not registration.forget(tenant.server.issuer)
    assert (await registration.client_for(tenant.server, CODE)).client_id == "tpc_2"


@pytest.mark.parametrize(
    ("allowed", "asked"),
    [
        (["client_secret_basic"], "client_secret_basic"),
        (["client_secret_basic", "client_secret_post"], "client_secret_post"),
        (["private_key_jwt", "none"], "none"),
        (None, "client_secret_basic"),
    ],
)
async def test_the_authentication_method_is_one_that_the_tenant_takes(
    tmp_path: Path, allowed: list[str] | None, asked: str
) -> None:
    tenant = Tenant(token_endpoint_auth_methods_supported=allowed)
    tenant.answer = {"client_secret": "s3cret"}
    client = await tenant.registration(tmp_path).client_for(tenant.server, CODE)
    assert tenant.asked[0]["token_endpoint_auth_method"] == asked
    assert client.authentication(tenant.server) == asked
    assert "s3cret" not in repr(client)


async def test_the_method_that_the_tenant_answers_counts(tmp_path: Path) -> None:
    tenant = Tenant()
    tenant.answer = {"client_secret": "s", "token_endpoint_auth_method": "client_secret_post"}
    client = await tenant.registration(tmp_path).client_for(tenant.server, CODE)
    assert client.authentication(tenant.server) == "client_secret_post"


async def test_a_configured_method_is_asked_for(tmp_path: Path) -> None:
    tenant = Tenant()
    await tenant.registration(tmp_path, method="client_secret_post").client_for(tenant.server, CODE)
    assert tenant.asked[0]["token_endpoint_auth_method"] == "client_secret_post"


async def test_without_a_possible_registration_the_error_says_what_to_set(tmp_path: Path) -> None:
    closed = Tenant(registration_endpoint=None)
    with pytest.raises(ConfigurationError, match=r"does not let clients register themselves.*AUTH0_CLIENT_ID"):
        await closed.registration(tmp_path).client_for(closed.server, CODE)
    tenant = Tenant()
    with pytest.raises(ConfigurationError, match="OAUTH_DYNAMIC_REGISTRATION is off"):
        await tenant.registration(tmp_path, dynamic=False).client_for(tenant.server, CODE)
    strange = Tenant(token_endpoint_auth_methods_supported=["tls_client_auth"])
    with pytest.raises(ConfigurationError, match="accepts only tls_client_auth"):
        await strange.registration(tmp_path).client_for(strange.server, CODE)
    assert tenant.asked == strange.asked == []


@pytest.mark.parametrize(
    ("status", "answer", "error", "message"),
    [
        (403, {"error": "access_denied"}, SignInError, "Dynamic registration may be off"),
        (400, {"error": "invalid_redirect_uri"}, SignInError, "OAUTH_CALLBACK_URI"),
        (404, {}, SignInError, "HTTP 404"),
        (503, {}, UnreachableError, "cannot register clients now"),
        (200, {"error": "access_denied", "error_description": "No."}, SignInError, r"\(access_denied: No\.\)"),
        (201, {"client_id": ""}, SignInError, "a wrong client_id"),
        (201, {"client_secret": "s\x00cret"}, SignInError, "a wrong client_secret"),
        (201, {"token_endpoint_auth_method": "magic"}, SignInError, "a wrong token_endpoint_auth_method"),
    ],
)
async def test_a_refused_registration_is_a_sentence(
    tmp_path: Path, status: int, answer: dict[str, Any], error: type[Exception], message: str
) -> None:
    tenant = Tenant()
    tenant.status, tenant.answer = status, answer
    with pytest.raises(error, match=message) as raised:
        await tenant.registration(tmp_path).client_for(tenant.server, CODE)
    assert "cret" not in str(raised.value).replace("client_secret", "").replace("AUTH0_CLIENT_SECRET", "")
    assert not (tmp_path / "clients").exists()


async def test_a_damaged_registration_is_set_aside_and_made_anew(tmp_path: Path) -> None:
    tenant, said = Tenant(), list[str]()
    await tenant.registration(tmp_path).client_for(tenant.server, CODE)
    (file,) = (tmp_path / "clients").iterdir()
    file.write_text("{")
    fetch = Fetcher(transport=httpx2.MockTransport(tenant.handle))
    again = SelfRegistered(fetch, ClientStore(tmp_path, said.append), CALLBACK, lambda: 1000.0)
    assert (await again.client_for(tenant.server, CODE)).client_id == "tpc_2"
    assert "The stored client registration was damaged" in said[0]


async def test_a_disk_that_cannot_be_written_does_not_stop_the_sign_in(tmp_path: Path) -> None:
    (tmp_path / "home").touch()
    tenant, said = Tenant(), list[str]()
    fetch = Fetcher(transport=httpx2.MockTransport(tenant.handle))
    registration = SelfRegistered(fetch, ClientStore(tmp_path / "home", said.append), CALLBACK, lambda: 1000.0)
    assert (await registration.client_for(tenant.server, CODE)).client_id == "tpc_1"
    assert "cannot be kept" in said[-1]


@pytest.mark.parametrize("code", ["invalid_client", "unauthorized_client", "access_denied"])
async def test_a_client_that_the_tenant_has_forgotten_leads_to_a_new_one_not_to_an_error(
    tmp_path: Path, code: str
) -> None:
    tenant = Tenant()
    registration = tenant.registration(tmp_path)
    await registration.client_for(tenant.server, CODE)

    def refuse(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(401, json={"error": code})

    fetch = Fetcher(transport=httpx2.MockTransport(refuse))
    stored = grant("tpc_1").model_copy(update={"refresh_token": "r"})

    def provider(client: Registration) -> Provider:
        flow = CodeFlow(TokenEndpoint(fetch), CallbackAddress(CALLBACK, 5000), pytest.fail, Trace(), 1)
        return Provider(SignInOptions(stored.server), fetch, flow, client, lambda: 1000.0)

    with pytest.raises(TokenRefused) as raised:
        await provider(registration).renew(stored)
    assert raised.value.code == "invalid_grant", "which means: sign in again"
    assert (await registration.client_for(tenant.server, CODE)).client_id == "tpc_2"
    with pytest.raises(TokenRefused) as raised:
        await provider(PreRegistered(OAuthClient("tpc_1"))).renew(stored)
    assert raised.value.code == code, "an application that somebody made is for them to repair"
