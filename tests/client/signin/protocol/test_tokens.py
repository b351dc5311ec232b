"""Token requests: how the client authenticates, and which answers it takes."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import parse_qsl

import httpx2
import pytest

from gatehouse_client.errors import ConfigurationError, Party, SignInError, TokenRefused, UnreachableError
from gatehouse_client.signin.http.fetch import Fetcher
from gatehouse_client.signin.protocol.client import OAuthClient
from gatehouse_client.signin.protocol.discovery import AuthorizationServer
from gatehouse_client.signin.protocol.tokens import TokenEndpoint, TokenResponse
from gatehouse_client.storage.grant import Grant

pytestmark = pytest.mark.anyio

GOOD = {"access_token": "t0ken", "token_type": "Bearer", "expires_in": 60}


class Tenant:
    """A token endpoint that answers with `document` and keeps what it was asked."""

    def __init__(self, document: Any = None, status: int = 200, methods: tuple[str, ...] | None = None) -> None:
        self.form: dict[str, str] = {}
        self.authorization: str | None = None
        self._document = GOOD if document is None else document
        self._status = status
        self.server = AuthorizationServer(
            issuer="https://tenant.example/",
            authorization_endpoint="https://tenant.example/authorize",
            token_endpoint="https://tenant.example/oauth/token",
            token_endpoint_auth_methods_supported=methods,
        )

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        self.form = dict(parse_qsl(request.content.decode()))
        self.authorization = request.headers.get("authorization")
        return httpx2.Response(self._status, json=self._document)

    async def exchange(self, client: OAuthClient) -> TokenResponse:
        endpoint = TokenEndpoint(Fetcher(transport=httpx2.MockTransport(self._answer)), lambda: 1000.0)
        return await endpoint.request(client, self.server, {"grant_type": "authorization_code", "code": "c0de"})


async def test_the_secret_goes_into_the_form_as_auth0_has_it() -> None:
    tenant = Tenant(methods=("client_secret_basic", "client_secret_post"))
    await tenant.exchange(OAuthClient("id", "s3cret"))
    assert tenant.form == {
        "grant_type": "authorization_code",
        "code": "c0de",
        "client_id": "id",
        "client_secret": "s3cret",
    }
    assert tenant.authorization is None


async def test_where_only_basic_is_taken_the_secret_goes_into_the_header_form_encoded() -> None:
    tenant = Tenant(methods=("client_secret_basic",))
    await tenant.exchange(OAuthClient("id:1", "s e%"))
    assert tenant.authorization == "Basic " + base64.b64encode(b"id%3A1:s+e%25").decode()
    assert "client_secret" not in tenant.form


async def test_a_public_client_sends_its_id_only() -> None:
    tenant = Tenant(methods=("client_secret_basic",))
    await tenant.exchange(OAuthClient("id"))
    assert tenant.form["client_id"] == "id"
    assert "client_secret" not in tenant.form
    assert tenant.authorization is None


async def test_a_secret_that_the_tenant_does_not_take_is_a_setting_to_change() -> None:
    with pytest.raises(ConfigurationError, match="unset AUTH0_CLIENT_SECRET"):
        await Tenant(methods=("private_key_jwt",)).exchange(OAuthClient("id", "s3cret"))


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"access_token": None}, "access_token"),
        ({"access_token": ""}, "access_token"),
        ({"access_token": "two words"}, "access_token"),
        ({"access_token": "a\r\nX-Evil: 1"}, "access_token"),
        ({"token_type": "DPoP"}, "token_type"),
        ({"token_type": None}, "token_type"),
        ({"expires_in": -1}, "expires_in"),
        ({"expires_in": "soon"}, "expires_in"),
        ({"scope": ["a"]}, "scope"),
    ],
)
async def test_an_answer_that_is_wrong_is_named_without_its_values(change: dict[str, Any], field: str) -> None:
    with pytest.raises(SignInError, match=f"wrong {field}") as raised:
        await Tenant({**GOOD, "refresh_token": "r3fresh", **change}).exchange(OAuthClient("id"))
    assert "t0ken" not in str(raised.value)
    assert "r3fresh" not in str(raised.value)
    assert raised.value.__cause__ is None, "the cause would show the tokens in a traceback"


async def test_small_liberties_of_tenants_are_taken() -> None:
    token = await Tenant({**GOOD, "token_type": "bearer", "expires_in": "60", "scope": None}).exchange(OAuthClient("i"))
    assert (token.expires_in, token.scope) == (60, None)
    assert "t0ken" not in repr(token)


@pytest.mark.parametrize(
    ("status", "document", "said"),
    [
        (403, {"error": "invalid_grant", "error_description": "Invalid authorization code"}, "Invalid authorization"),
        (401, {"error": "invalid_client"}, "AUTH0_CLIENT_SECRET to the values of"),
        (401, {"error": "access_denied", "error_description": "Unauthorized"}, "AUTH0_CLIENT_SECRET to the values of"),
        (403, {"error": "unauthorized_client"}, "Grant Types"),
        (418, [], "HTTP 418"),
    ],
)
async def test_a_refusal_is_told_with_a_way_out(status: int, document: Any, said: str) -> None:
    with pytest.raises(TokenRefused, match=said):
        await Tenant(document, status).exchange(OAuthClient("id", "s3cret"))


@pytest.mark.parametrize("status", [500, 503, 429])
async def test_a_tenant_that_fails_is_unreachable(status: int) -> None:
    with pytest.raises(UnreachableError, match=str(status)):
        await Tenant({"error": "too_many_requests"}, status).exchange(OAuthClient("id"))


async def test_an_answer_that_is_no_json_object_is_refused() -> None:
    with pytest.raises(SignInError, match="JSON object"):
        await Tenant([1]).exchange(OAuthClient("id"))


@pytest.mark.parametrize(
    ("claims", "person"),
    [
        ('{"sub": "auth0|1"}', "auth0|1"),
        ('{"sub": "auth0|1", "name": "Al"}', "Al"),
        ('{"sub": "auth0|1", "https://example/email": "a@b"}', "a@b"),
        ("[]", None),
        ("not json", None),
    ],
)
def test_who_is_signed_in_is_read_from_the_token_if_it_says(claims: str, person: str | None) -> None:
    body = base64.urlsafe_b64encode(claims.encode()).rstrip(b"=").decode()
    assert grant(f"e30.{body}.x").person == person
    assert grant("opaque").person is None


def grant(access_token: str) -> Grant:
    return Grant(
        server="https://mcp.example/",
        resource="https://mcp.example/",
        issuer="https://tenant.example/",
        client_id="id",
        token_endpoint="https://tenant.example/oauth/token",
        token_endpoint_auth_method="none",
        access_token=access_token,
        obtained_at=0,
    )


@pytest.mark.parametrize(
    ("lifetime", "now", "fresh"),
    [(3600, 3539, True), (3600, 3540, False), (60, 29, True), (60, 30, False), (0, 0, False)],
)
def test_a_token_is_renewed_a_minute_ahead_or_at_half_its_life(lifetime: float, now: float, fresh: bool) -> None:
    assert grant("t").model_copy(update={"expires_at": lifetime}).is_fresh(now) is fresh


def test_a_token_without_an_expiry_is_used_until_it_is_refused() -> None:
    assert grant("t").is_fresh(1e12)
    assert grant("t").is_alive(1e12)


async def test_an_error_in_an_answer_with_200_is_a_refusal_in_the_words_of_the_tenant() -> None:
    tenant = Tenant({"error": "invalid_grant", "error_description": "The code has expired."})
    with pytest.raises(TokenRefused, match=r"refused \(invalid_grant: The code has expired\.\)") as raised:
        await tenant.exchange(OAuthClient("id"))
    assert (raised.value.code, raised.value.party) == ("invalid_grant", Party.TENANT)


@pytest.mark.parametrize(("status", "code"), [(401, "access_denied"), (401, "invalid_client"), (400, "invalid_client")])
async def test_the_advice_for_an_unknown_client_depends_on_where_the_client_comes_from(status: int, code: str) -> None:
    tenant = Tenant({"error": code, "error_description": "Unauthorized"}, status)
    with pytest.raises(TokenRefused, match="AUTH0_CLIENT_ID") as raised:
        await tenant.exchange(OAuthClient("id"))
    assert raised.value.unknown_client
    with pytest.raises(TokenRefused, match="`gatehouse login --force` registers a new one") as raised:
        await tenant.exchange(OAuthClient("id", registered_itself=True))
    assert "AUTH0_CLIENT_ID" not in str(raised.value)


class OneMethod(Tenant):
    """A tenant that lists both ways to send a secret, and accepts one for this client."""

    def __init__(self, accepted: str, methods: tuple[str, ...] | None) -> None:
        super().__init__(methods=methods)
        self.accepted = accepted
        self.tried: list[str] = []

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        self.tried.append("client_secret_basic" if "authorization" in request.headers else "client_secret_post")
        if self.tried[-1] != self.accepted:
            return httpx2.Response(401, json={"error": "invalid_client"})
        return super()._answer(request)


BOTH = ("client_secret_basic", "client_secret_post")


@pytest.mark.parametrize("methods", [BOTH, None])
@pytest.mark.parametrize("accepted", BOTH)
async def test_the_other_way_to_send_the_secret_is_tried_once(accepted: str, methods: tuple[str, ...] | None) -> None:
    tenant = OneMethod(accepted, methods)
    token = await tenant.exchange(OAuthClient("id", "s3cret"))
    assert token.authenticated_by == accepted
    assert tenant.tried == (["client_secret_post"] if accepted == "client_secret_post" else list(reversed(BOTH)))


async def test_a_wrong_secret_is_told_after_both_ways() -> None:
    tenant = OneMethod("none", BOTH)
    with pytest.raises(TokenRefused, match="refuses both client_secret_post and client_secret_basic") as refused:
        await tenant.exchange(OAuthClient("id", "s3cret"))
    assert (len(tenant.tried), "s3cret" in str(refused.value)) == (2, False)


async def test_another_refusal_is_not_repeated() -> None:
    tenant = Tenant({"error": "invalid_grant"}, 400, methods=BOTH)
    asked = 0

    def count(request: httpx2.Request) -> httpx2.Response:
        nonlocal asked
        asked += 1
        return tenant._answer(request)

    endpoint = TokenEndpoint(Fetcher(transport=httpx2.MockTransport(count)))
    with pytest.raises(TokenRefused):
        await endpoint.request(OAuthClient("id", "s3cret"), tenant.server, {"grant_type": "refresh_token"})
    assert asked == 1


async def test_a_configured_method_is_not_replaced_but_the_other_one_is_named() -> None:
    tenant = OneMethod("client_secret_basic", BOTH)
    with pytest.raises(TokenRefused, match=r"also lists client_secret_basic: set OAUTH_TOKEN_ENDPOINT_AUTH_METHOD"):
        await tenant.exchange(OAuthClient("id", "s3cret", method="client_secret_post"))
    assert tenant.tried == ["client_secret_post"]


async def test_an_answer_with_200_and_an_error_is_a_refusal_with_its_reason() -> None:
    document = {**GOOD, "error": "invalid_grant", "error_description": "The code has expired"}
    with pytest.raises(TokenRefused, match="The code has expired") as refused:
        await Tenant(document).exchange(OAuthClient("id"))
    assert refused.value.code == "invalid_grant"
