"""The tenant's metadata at the server's origin, and values that differ from the tenant's by a slash."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Literal

import httpx2
import pytest
from pydantic import AnyHttpUrl, BaseModel, ValidationError

from gatehouse_example.app import example_server
from tests.server.protected_server import ask, protected
from tests.server.token_issuer import ISSUER, RESOURCE, Issuer, settings

pytestmark = pytest.mark.anyio

WELL_KNOWN = "/.well-known/oauth-authorization-server"
DOCUMENT = {
    "issuer": ISSUER,
    "authorization_endpoint": f"{ISSUER}authorize",
    "token_endpoint": f"{ISSUER}oauth/token",
    "registration_endpoint": f"{ISSUER}oidc/register",
    "jwks_uri": f"{ISSUER}.well-known/jwks.json",
    "userinfo_endpoint": f"{ISSUER}userinfo",
    "response_types_supported": ["code", "token", "id_token", "code token"],
    "code_challenge_methods_supported": ["S256", "plain"],
    "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "private_key_jwt"],
}


def tenant(issuer: Issuer, document: object) -> Callable[[httpx2.Request], httpx2.Response]:
    """A tenant that answers requests for its keys, and for its metadata with this document (None: it is down)."""

    def answer(request: httpx2.Request) -> httpx2.Response:
        if "openid-configuration" not in request.url.path:
            return issuer.handle(request)
        return httpx2.Response(500) if document is None else httpx2.Response(200, json=document)

    return answer


@asynccontextmanager
async def served(issuer: Issuer, document: object, **variables: str) -> AsyncIterator[httpx2.AsyncClient]:
    config = settings(**variables)
    async with protected(example_server(), tenant(issuer, document), config=config) as client:
        yield client


@pytest.mark.parametrize("path", [WELL_KNOWN, f"{WELL_KNOWN}/"])
async def test_a_client_of_2025_03_26_finds_the_tenant_at_the_origin_of_the_server(path: str, issuer: Issuer) -> None:
    async with served(issuer, DOCUMENT) as server:
        answer = await server.get(path, headers={"Origin": "https://anywhere.example.com"})
    assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (200, "*")
    assert answer.json() == {
        "issuer": ISSUER,
        "authorization_endpoint": f"{ISSUER}authorize",
        "token_endpoint": f"{ISSUER}oauth/token",
        "registration_endpoint": f"{ISSUER}oidc/register",
        "jwks_uri": f"{ISSUER}.well-known/jwks.json",
        "response_types_supported": ["code"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["client_secret_post"],
        "scopes_supported": ["access:mcp", "time:convert", "time:zones"],
    }


async def test_the_document_is_fetched_once_for_many_clients(issuer: Issuer) -> None:
    fetched = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        fetched.append(request.url.path)
        return tenant(issuer, DOCUMENT)(request)

    async with protected(example_server(), answer) as server:
        for _ in range(5):
            assert (await server.get(WELL_KNOWN)).status_code == 200
    assert fetched.count("/.well-known/openid-configuration") == 1


HOSTILE: dict[str, Any] = {
    "the tenant is down": None,
    "another issuer": {**DOCUMENT, "issuer": "https://evil.example.com/"},
    "no issuer": {name: value for name, value in DOCUMENT.items() if name != "issuer"},
    "an endpoint without TLS": {**DOCUMENT, "token_endpoint": "http://tenant.example.com/oauth/token"},
    "a registration without TLS": {**DOCUMENT, "registration_endpoint": "http://tenant.example.com/register"},
    "an endpoint that is a script": {**DOCUMENT, "authorization_endpoint": "javascript:alert(1)"},
    "no token endpoint": {name: value for name, value in DOCUMENT.items() if name != "token_endpoint"},
    "a list": [DOCUMENT],
}


@pytest.mark.parametrize("case", HOSTILE)
async def test_without_a_usable_document_the_client_is_told_to_try_again_and_not_to_guess(
    case: str, issuer: Issuer
) -> None:
    async with served(issuer, HOSTILE[case]) as server:
        answer = await server.get(WELL_KNOWN)
    assert (answer.status_code, answer.json()["error"]) == (503, "temporarily_unavailable")
    assert "Retry-After" in answer.headers


async def logged_at_start(issuer: Issuer, caplog: pytest.LogCaptureFixture, document: object, **variables: str) -> str:
    with caplog.at_level(logging.WARNING):
        async with served(issuer, document, **variables) as server:
            await server.get(WELL_KNOWN)
            await server.get("/readyz")
    return "\n".join(record.getMessage() for record in caplog.records)


async def test_an_issuer_that_differs_by_a_slash_is_named_at_the_start(
    issuer: Issuer, caplog: pytest.LogCaptureFixture
) -> None:
    without = ISSUER.rstrip("/")
    text = await logged_at_start(issuer, caplog, DOCUMENT, AUTH0_ISSUER=without)
    assert (
        f"The issuer here is {without!r}, and in the tenant's metadata it is {ISSUER!r}: they differ by a slash" in text
    )


async def test_an_audience_that_differs_from_the_url_by_a_slash_is_named_at_the_start(
    issuer: Issuer, caplog: pytest.LogCaptureFixture
) -> None:
    text = await logged_at_start(issuer, caplog, DOCUMENT, AUTH0_AUDIENCE=f"{RESOURCE}/")
    assert f"The audience here is '{RESOURCE}/', and in the server's URL it is {RESOURCE!r}" in text


async def test_values_that_are_the_same_are_not_named(issuer: Issuer, caplog: pytest.LogCaptureFixture) -> None:
    assert "slash" not in await logged_at_start(issuer, caplog, DOCUMENT)


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"iss": ISSUER.rstrip("/")}, "issuer_differs_by_slash"),
        ({"aud": f"{RESOURCE}/"}, "audience_differs_by_slash"),
        ({"aud": [f"{RESOURCE}/", f"{ISSUER}userinfo"]}, "audience_differs_by_slash"),
        ({"iss": "https://evil.example.com/"}, "wrong_issuer"),
        ({"aud": "http://localhost:5555/mcp2"}, "wrong_audience"),
    ],
    ids=str,
)
async def test_the_log_line_of_a_refusal_names_a_slash(
    issuer: Issuer, caplog: pytest.LogCaptureFixture, claims: dict[str, Any], reason: str
) -> None:
    with caplog.at_level(logging.INFO, logger="gatehouse.audit"):
        async with served(issuer, DOCUMENT) as server:
            refusal = await ask(server, issuer.token(**claims))
    lines = [json.loads(record.getMessage()) for record in caplog.records if record.name == "gatehouse.audit"]
    assert [line["reason"] for line in lines] == [reason]
    assert refusal.status_code == 401
    assert ("slash" in refusal.headers["WWW-Authenticate"]) == ("slash" in reason)


class MetadataOf2025(BaseModel):
    """The model in the MCP Python SDK 1.9, the first with an OAuth client. It refuses values that it does not know."""

    issuer: AnyHttpUrl
    authorization_endpoint: AnyHttpUrl
    token_endpoint: AnyHttpUrl
    registration_endpoint: AnyHttpUrl | None = None
    scopes_supported: list[str] | None = None
    response_types_supported: list[Literal["code"]] = ["code"]
    response_modes_supported: list[Literal["query", "fragment"]] | None = None
    grant_types_supported: list[Literal["authorization_code", "refresh_token"]] | None = None
    token_endpoint_auth_methods_supported: list[Literal["none", "client_secret_post"]] | None = None
    code_challenge_methods_supported: list[Literal["S256"]] | None = None


async def test_the_python_sdk_of_that_time_accepts_the_document_and_not_the_tenants_own(issuer: Issuer) -> None:
    async with served(issuer, DOCUMENT) as server:
        MetadataOf2025.model_validate_json((await server.get(WELL_KNOWN)).content)
    with pytest.raises(ValidationError):
        MetadataOf2025.model_validate(DOCUMENT)
