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
from gatehouse_client.signin.protocol.registration import (
    ClientStore,
    PreRegistered,
    RegisteredClient,
    Registration,
    SelfRegistered,
)
from gatehouse_client.signin.protocol.tokens import TokenEndpoint
from gatehouse_client.signin.provider import Provider, SignInOptions
from gatehouse_client.storage.encryption import KeyringEncryption
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
    registration = PreRegistered(application)
    assert await registration.client_for(tenant.server, CODE) is application
    assert registration.known_at(tenant.server) is application
    assert registration.client_of(grant("app")) is application
    assert registration.client_of(grant("another")) is None
    assert not registration.forget(tenant.server.issuer)
    assert tenant.asked == []


async def test_a_metadata_document_goes_before_dynamic_registration(tmp_path: Path) -> None:
    tenant = Tenant(client_id_metadata_document_supported=True)
    registration = tenant.registration(tmp_path, metadata_url=METADATA_URL)
    client = await registration.client_for(tenant.server, CODE)
    assert client == registration.known_at(tenant.server) == OAuthClient(METADATA_URL)
    assert registration.client_of(grant(METADATA_URL)) == client
    assert registration.client_of(grant("another")) is None
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
    tenant.answer = {"client_secret": "s3cret"}
    assert tenant.registration(tmp_path).known_at(tenant.server) is None
    first = await tenant.registration(tmp_path).client_for(tenant.server, CODE)
    assert (first.client_id, first.secret, first.registered_itself) == ("tpc_1", "s3cret", True)
    again = tenant.registration(tmp_path)
    assert await again.client_for(tenant.server, CODE[:1]) == again.known_at(tenant.server) == first
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
        ({"clock": lambda: 1500.0}, CODE),
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


async def test_a_client_that_cannot_use_codes_registers_without_them(tmp_path: Path) -> None:
    tenant, device = Tenant(), "urn:ietf:params:oauth:grant-type:device_code"
    await tenant.registration(tmp_path).client_for(tenant.server, (device,))
    assert (tenant.asked[0]["grant_types"], tenant.asked[0]["response_types"]) == ([device], [])


async def test_a_callback_elsewhere_registers_a_web_application(tmp_path: Path) -> None:
    tenant = Tenant()
    registration = tenant.registration(tmp_path, redirect_uri="https://agent.example/callback")
    await registration.client_for(tenant.server, CODE)
    assert tenant.asked[0]["application_type"] == "web"


async def test_a_registration_that_is_answered_with_200_counts(tmp_path: Path) -> None:
    tenant = Tenant()
    tenant.status = 200
    assert (await tenant.registration(tmp_path).client_for(tenant.server, CODE)).client_id == "tpc_1"


async def test_a_tenant_cannot_answer_for_another_issuer_or_another_callback(tmp_path: Path) -> None:
    tenant = Tenant()
    tenant.answer = {
        "issuer": "https://two.example/",
        "redirect_uri": "https://evil.example/",
        "grant_types": ["password"],
        "client_secret": None,
        "version": 7,
    }
    registration = tenant.registration(tmp_path)
    assert await registration.client_for(tenant.server, CODE) == await registration.client_for(tenant.server, CODE)
    assert len(tenant.asked) == 1
    kept = ClientStore(tmp_path, pytest.fail).load(tenant.server.issuer)
    assert kept is not None
    assert (kept.issuer, kept.redirect_uri, kept.grant_types) == (tenant.server.issuer, CALLBACK, CODE)


async def test_a_registration_in_the_place_of_another_issuers_is_not_used(tmp_path: Path) -> None:
    one, two = Tenant(), Tenant("https://two.example/")
    for tenant in (one, two):
        await tenant.registration(tmp_path).client_for(tenant.server, CODE)
    first, second = sorted((tmp_path / "clients").iterdir())
    for place, other in ((first, second.read_bytes()), (second, first.read_bytes())):
        place.write_bytes(other)
    assert one.registration(tmp_path).known_at(one.server) is None
    assert two.registration(tmp_path).known_at(two.server) is None


class Keyring:
    """A keyring with one entry."""

    key: str | None = None

    def get_password(self, service: str, username: str) -> str | None:
        return self.key

    def set_password(self, service: str, username: str, password: str) -> None:
        self.key = password


async def test_with_a_keyring_a_registration_is_encrypted(tmp_path: Path) -> None:
    tenant, encryption = Tenant(), KeyringEncryption(Keyring(), pytest.fail)
    tenant.answer = {"client_secret": "s3cret"}
    fetch = Fetcher(transport=httpx2.MockTransport(tenant.handle))
    registration = SelfRegistered(fetch, ClientStore(tmp_path, pytest.fail, encryption), CALLBACK, lambda: 1000.0)
    await registration.client_for(tenant.server, CODE)
    (file,) = (tmp_path / "clients").iterdir()
    assert b"s3cret" not in file.read_bytes()
    assert registration.known_at(tenant.server) is not None
    said: list[str] = []
    assert ClientStore(tmp_path, said.append).load(tenant.server.issuer) is None
    assert said == [
        f"The stored client registration {file} cannot be decrypted (there is no keyring here): it is not used."
    ]


def test_no_text_of_a_stored_registration_shows_its_secret() -> None:
    client = RegisteredClient(
        issuer="https://tenant.example/",
        redirect_uri=CALLBACK,
        grant_types=CODE,
        client_id="tpc_1",
        client_secret="s3cret",
        token_endpoint_auth_method="client_secret_post",
    )
    assert "s3cret" not in f"{client!r} {client} {client.client!r}"


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
    async def said(tenant: Tenant, **options: Any) -> str:
        with pytest.raises(ConfigurationError) as raised:
            await tenant.registration(tmp_path, **options).client_for(tenant.server, CODE)
        assert tenant.asked == []
        return str(raised.value)

    advice = (
        ": create an application in the tenant, and set AUTH0_CLIENT_ID to its Client ID (and AUTH0_CLIENT_SECRET if it"
        " has one)."
    )
    closed = await said(Tenant(registration_endpoint=None))
    assert closed == f"https://tenant.example/ does not let clients register themselves{advice}"
    off = await said(Tenant(), dynamic=False)
    assert off == f"https://tenant.example/ needs a registered client (OAUTH_DYNAMIC_REGISTRATION is off){advice}"
    strange = Tenant(token_endpoint_auth_methods_supported=["tls_client_auth", "private_key_jwt"])
    assert await said(strange) == (
        "https://tenant.example/ accepts only tls_client_auth, private_key_jwt at its token endpoint, which is not"
        " possible for a client that registers itself: create an application there and set AUTH0_CLIENT_ID."
    )


OFF = (
    " Dynamic registration may be off: switch it on. Or create an application there, and set AUTH0_CLIENT_ID. (More:"
    " gatehouse doctor --explain registration)"
)
WRONG = "answered the client registration with a wrong"


@pytest.mark.parametrize(
    ("status", "answer", "error", "message"),
    [
        (403, {"error": "access_denied"}, SignInError, f"did not register the client (access_denied).{OFF}"),
        (
            400,
            {"error": "invalid_redirect_uri"},
            SignInError,
            "did not register the client (invalid_redirect_uri). Set OAUTH_CALLBACK_URI to a URL that it accepts.",
        ),
        (404, {}, SignInError, f"did not register the client (HTTP 404).{OFF}"),
        (202, {}, SignInError, f"did not register the client (HTTP 202).{OFF}"),
        (503, {}, UnreachableError, "cannot register clients now (503, HTTP 503)."),
        (429, {"error": "slow"}, UnreachableError, "cannot register clients now (429, slow)."),
        (
            200,
            {"error": "access_denied", "error_description": "No."},
            SignInError,
            f"did not register the client (access_denied: No.).{OFF}",
        ),
        (201, {"client_id": ""}, SignInError, f"{WRONG} client_id."),
        (201, {"client_id": "id\n"}, SignInError, f"{WRONG} client_id."),
        (201, {"client_secret": "s\x00cret"}, SignInError, f"{WRONG} client_secret."),
        (201, {"client_secret": "s\xe4cret"}, SignInError, f"{WRONG} client_secret."),
        (201, {"token_endpoint_auth_method": "magic"}, SignInError, f"{WRONG} token_endpoint_auth_method."),
    ],
)
async def test_a_refused_registration_is_a_sentence(
    tmp_path: Path, status: int, answer: dict[str, Any], error: type[Exception], message: str
) -> None:
    tenant = Tenant()
    tenant.status, tenant.answer = status, answer
    with pytest.raises(error) as raised:
        await tenant.registration(tmp_path).client_for(tenant.server, CODE)
    assert str(raised.value) == f"https://tenant.example/ {message}"
    assert not (tmp_path / "clients").exists()


async def test_an_answer_that_is_no_json_object_registers_nothing(tmp_path: Path) -> None:
    tenant = Tenant()
    answer = httpx2.MockTransport(lambda _: httpx2.Response(201, content=b"[]"))
    registration = SelfRegistered(Fetcher(transport=answer), ClientStore(tmp_path, pytest.fail), CALLBACK, lambda: 1.0)
    with pytest.raises(SignInError) as raised:
        await registration.client_for(tenant.server, CODE)
    assert str(raised.value) == f"https://tenant.example/ did not register the client (HTTP 201).{OFF}"


async def test_a_damaged_registration_is_set_aside_and_made_anew(tmp_path: Path) -> None:
    tenant, said = Tenant(), list[str]()
    await tenant.registration(tmp_path).client_for(tenant.server, CODE)
    (file,) = (tmp_path / "clients").iterdir()
    file.write_text("{")
    fetch = Fetcher(transport=httpx2.MockTransport(tenant.handle))
    again = SelfRegistered(fetch, ClientStore(tmp_path, said.append), CALLBACK, lambda: 1000.0)
    assert (await again.client_for(tenant.server, CODE)).client_id == "tpc_2"
    aside = file.with_suffix(".damaged")
    assert said == [f"The stored client registration was damaged and is not used; it is kept as {aside}."]


async def test_a_disk_that_cannot_be_written_does_not_stop_the_sign_in(tmp_path: Path) -> None:
    (tmp_path / "home").touch()
    tenant, said = Tenant(), list[str]()
    fetch = Fetcher(transport=httpx2.MockTransport(tenant.handle))
    registration = SelfRegistered(fetch, ClientStore(tmp_path / "home", said.append), CALLBACK, lambda: 1000.0)
    assert (await registration.client_for(tenant.server, CODE)).client_id == "tpc_1"
    folder = tmp_path / "home" / "clients"
    assert said[-1] == f"The client registration cannot be kept in {folder} (Not a directory)."
    assert not registration.forget(tenant.server.issuer)


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
