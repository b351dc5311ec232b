"""Discovery: the order of the URLs, and everything that must not be believed."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import httpx2
import pytest

from gatehouse_client.errors import Party, SignInError, UnreachableError
from gatehouse_client.signin.flows.flow import SignInTask
from gatehouse_client.signin.http.addresses import is_loopback
from gatehouse_client.signin.http.fetch import MAX_BODY, Fetcher
from gatehouse_client.signin.http.network import NetworkGuard
from gatehouse_client.signin.http.urls import is_secure, same_url
from gatehouse_client.signin.protocol.challenge import Challenge
from gatehouse_client.signin.protocol.client import OAuthClient
from gatehouse_client.signin.protocol.discovery import (
    AuthorizationServer,
    OtherResource,
    ProtectedResource,
    choose_issuer,
    discover_issuer,
    discover_resource,
    issuer_metadata_urls,
    require_pkce,
    resource_metadata_urls,
)
from gatehouse_client.signin.protocol.registration import PreRegistered
from gatehouse_client.signin.protocol.tokens import TokenResponse
from gatehouse_client.signin.provider import Provider, SignInOptions

pytestmark = pytest.mark.anyio

SERVER = "https://mcp.example/mcp"
ISSUER = "https://tenant.example/"
RESOURCE: dict[str, Any] = {"resource": SERVER, "authorization_servers": [ISSUER], "jwks_uri": None}
TENANT: dict[str, Any] = {
    "issuer": ISSUER,
    "authorization_endpoint": "https://tenant.example/authorize",
    "token_endpoint": "https://tenant.example/oauth/token",
    "code_challenge_methods_supported": ["S256"],
}


def fetcher(documents: dict[str, Any], seen: list[str] | None = None) -> Fetcher:
    """Answers from `documents`: JSON, a status, or a response; 404 for everything else."""

    def answer(request: httpx2.Request) -> httpx2.Response:
        url = str(request.url)
        if seen is not None:
            seen.append(url)
        document = documents.get(url, 404)
        if isinstance(document, httpx2.Response):
            return document
        return httpx2.Response(document) if isinstance(document, int) else httpx2.Response(200, json=document)

    return Fetcher(transport=httpx2.MockTransport(answer))


def root_and_path(document: Any) -> dict[str, Any]:
    return {"https://mcp.example/.well-known/oauth-protected-resource/mcp": document}


async def test_the_challenge_goes_before_the_path_form_and_that_before_the_root_form() -> None:
    challenge = Challenge("bearer", {"resource_metadata": "https://mcp.example/meta"})
    urls = resource_metadata_urls(SERVER, challenge)
    assert urls == [
        "https://mcp.example/meta",
        "https://mcp.example/.well-known/oauth-protected-resource/mcp",
        "https://mcp.example/.well-known/oauth-protected-resource",
    ]
    seen: list[str] = []
    found = await discover_resource(fetcher({urls[2]: RESOURCE}, seen), SERVER, challenge)
    assert found.resource == SERVER
    assert seen == urls


@pytest.mark.parametrize(
    ("server", "urls"),
    [
        (
            "https://mcp.example:8443/INBOX/?tenant=a/",
            [
                "https://mcp.example:8443/.well-known/oauth-protected-resource/INBOX?tenant=a/",
                "https://mcp.example:8443/.well-known/oauth-protected-resource",
            ],
        ),
        ("https://mcp.example/", ["https://mcp.example/.well-known/oauth-protected-resource"]),
    ],
)
def test_the_path_form_keeps_the_query_and_has_no_final_slash(server: str, urls: list[str]) -> None:
    assert resource_metadata_urls(server, None) == urls
    assert resource_metadata_urls(server, Challenge("bearer")) == urls, "a challenge that names no document"


@pytest.mark.parametrize(
    ("issuer", "urls"),
    [
        (
            ISSUER,
            [
                "https://tenant.example/.well-known/oauth-authorization-server",
                "https://tenant.example/.well-known/openid-configuration",
            ],
        ),
        (
            "https://tenant.example/realms/one",
            [
                "https://tenant.example/.well-known/oauth-authorization-server/realms/one",
                "https://tenant.example/.well-known/openid-configuration/realms/one",
                "https://tenant.example/realms/one/.well-known/openid-configuration",
            ],
        ),
        (
            "https://tenant.example/X/",
            [
                "https://tenant.example/.well-known/oauth-authorization-server/X",
                "https://tenant.example/.well-known/openid-configuration/X",
                "https://tenant.example/X/.well-known/openid-configuration",
            ],
        ),
    ],
)
async def test_the_issuer_metadata_is_looked_for_in_the_order_of_the_specification(
    issuer: str, urls: list[str]
) -> None:
    assert issuer_metadata_urls(issuer) == urls
    found = await discover_issuer(fetcher({urls[-1]: {**TENANT, "issuer": issuer}}), issuer, SERVER)
    assert found.issuer == issuer


@pytest.mark.parametrize(
    "resource",
    ["https://mcp.example", "https://mcp.example/mcp/", "https://mcp.example/MCP", "http://mcp.example/mcp", "x"],
)
async def test_metadata_about_another_resource_is_not_used(resource: str) -> None:
    with pytest.raises(OtherResource, match="is about") as raised:
        await discover_resource(fetcher(root_and_path({**RESOURCE, "resource": resource})), SERVER, None)
    assert raised.value.resource == resource


async def test_the_root_form_may_be_about_the_whole_origin_that_it_is_built_from() -> None:
    root = resource_metadata_urls(SERVER, None)[-1]
    document = {**RESOURCE, "resource": "https://mcp.example"}
    found = await discover_resource(fetcher({root: document}), SERVER, None)
    assert found.resource == "https://mcp.example"
    with pytest.raises(SignInError, match="is about"):
        await discover_resource(fetcher({root: {**RESOURCE, "resource": "https://mcp.example/x"}}), SERVER, None)


async def test_metadata_that_the_server_names_itself_must_be_about_the_server_that_was_asked() -> None:
    root = resource_metadata_urls(SERVER, None)[-1]
    document = {**RESOURCE, "resource": "https://mcp.example"}
    with pytest.raises(SignInError, match="is about"):
        await discover_resource(fetcher({root: document}), SERVER, Challenge("bearer", {"resource_metadata": root}))


class Reached:
    """A sign-in flow that only shows that the discovery ended."""

    grant_types = ("authorization_code",)

    async def sign_in(self, task: SignInTask) -> TokenResponse:
        raise SignInError(f"reached {task.server.issuer}")


@pytest.mark.parametrize(("configured", "outcome"), [(True, "reached https://10.0.0.5/"), (False, "private address")])
async def test_a_configured_private_issuer_is_the_persons_choice(*, configured: bool, outcome: str) -> None:
    issuer = "https://10.0.0.5/"
    tenant = {name: str(value).replace(ISSUER, issuer) for name, value in TENANT.items()}
    tenant["code_challenge_methods_supported"] = TENANT["code_challenge_methods_supported"]
    documents = {
        **root_and_path({**RESOURCE, "authorization_servers": [issuer]}),
        issuer_metadata_urls(issuer)[0]: tenant,
    }
    options = SignInOptions(SERVER, issuer if configured else None)
    provider = Provider(options, fetcher(documents), Reached(), PreRegistered(OAuthClient("id")), time.time)
    with pytest.raises(SignInError, match=outcome):
        await provider.sign_in(None)


async def test_the_switch_for_intranets_lets_a_public_server_name_private_addresses() -> None:
    issuer = "https://10.0.0.1/"
    document = {name: str(value).replace(ISSUER, issuer) for name, value in TENANT.items()}
    document |= {"code_challenge_methods_supported": ["S256"]}
    handler = httpx2.MockTransport(lambda _: httpx2.Response(200, json=document))
    guard = NetworkGuard([], private_network=True)
    found = await discover_issuer(Fetcher(transport=handler, guard=guard), issuer, SERVER)
    assert found.token_endpoint == "https://10.0.0.1/oauth/token"
    with pytest.raises(SignInError, match="private address"):
        await discover_issuer(Fetcher(transport=handler), issuer, SERVER)


async def test_the_switch_for_intranets_lets_a_public_issuer_name_private_endpoints() -> None:
    issuer = "https://9.9.9.9/"
    document = {**TENANT, "issuer": issuer, "token_endpoint": "https://10.0.0.1/oauth/token"}
    handler = httpx2.MockTransport(lambda _: httpx2.Response(200, json=document))
    guard = NetworkGuard([], private_network=True)
    found = await discover_issuer(Fetcher(transport=handler, guard=guard), issuer, SERVER)
    assert found.token_endpoint == "https://10.0.0.1/oauth/token"


async def test_the_switch_for_intranets_lets_a_public_server_name_private_metadata() -> None:
    named, seen = "https://10.0.0.1/meta", list[str]()
    challenge = Challenge("bearer", {"resource_metadata": named})

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append(str(request.url))
        return httpx2.Response(200, json=RESOURCE)

    guard = NetworkGuard([], private_network=True)
    await discover_resource(Fetcher(transport=httpx2.MockTransport(answer), guard=guard), SERVER, challenge)
    assert seen == ["https://10.0.0.1/meta"]


async def test_the_case_of_the_host_and_the_default_port_do_not_matter() -> None:
    document = {**RESOURCE, "resource": "HTTPS://MCP.example:443/mcp"}
    found = await discover_resource(fetcher(root_and_path(document)), SERVER, None)
    assert found.resource == "HTTPS://MCP.example:443/mcp", "it is sent byte for byte as the server wrote it"


@pytest.mark.parametrize("document", [{}, {"resource": SERVER}, {**RESOURCE, "authorization_servers": []}])
async def test_incomplete_metadata_is_named(document: dict[str, Any]) -> None:
    with pytest.raises(SignInError, match=r"no valid .*authorization_servers"):
        await discover_resource(fetcher(root_and_path(document)), SERVER, None)


@pytest.mark.parametrize(
    "answer",
    [
        404,
        503,
        {},
        {"error": "not_found"},
        {**TENANT, "token_endpoint": ""},
        httpx2.Response(200, content=b"<html>"),
    ],
    ids=["404", "503", "empty object", "error with 200", "empty endpoint", "HTML"],
)
async def test_an_answer_that_is_no_metadata_leads_to_the_next_path(answer: Any) -> None:
    first, second = issuer_metadata_urls(ISSUER)
    assert (await discover_issuer(fetcher({first: answer, second: TENANT}), ISSUER, SERVER)).issuer == ISSUER
    path_form, root = resource_metadata_urls(SERVER, None)
    assert (await discover_resource(fetcher({path_form: answer, root: RESOURCE}), SERVER, None)).resource == SERVER


@pytest.mark.parametrize("name", ["revocation_endpoint", "registration_endpoint", "device_authorization_endpoint"])
async def test_an_empty_endpoint_that_is_not_needed_counts_as_absent(name: str) -> None:
    found = await discover_issuer(fetcher({issuer_metadata_urls(ISSUER)[0]: {**TENANT, name: ""}}), ISSUER, SERVER)
    assert getattr(found, name) is None


async def test_without_metadata_nothing_is_guessed() -> None:
    with pytest.raises(SignInError, match="does not say where"):
        await discover_resource(fetcher({}), SERVER, None)
    with pytest.raises(SignInError, match="not guessed"):
        await discover_issuer(fetcher({}), ISSUER, SERVER)


@pytest.mark.parametrize("status", [500, 503, 429])
async def test_a_failing_party_is_unreachable_not_untrusted(status: int) -> None:
    with pytest.raises(UnreachableError) as raised:
        await discover_resource(fetcher(root_and_path(status)), SERVER, None)
    assert raised.value.party is Party.SERVER
    with pytest.raises(UnreachableError) as raised:
        await discover_issuer(fetcher({issuer_metadata_urls(ISSUER)[0]: status}), ISSUER, SERVER)
    assert raised.value.party is Party.TENANT


@pytest.mark.parametrize("issuer", ["https://tenant.example", "https://TENANT.example/", "https://evil.example/"])
async def test_an_issuer_that_differs_in_one_byte_is_not_used(issuer: str) -> None:
    with pytest.raises(SignInError, match="byte for byte"):
        await discover_issuer(fetcher({issuer_metadata_urls(ISSUER)[0]: {**TENANT, "issuer": issuer}}), ISSUER, SERVER)


RESOURCE_AT = "https://mcp.example/.well-known/oauth-protected-resource"
TENANT_AT = "https://tenant.example/.well-known"


async def test_each_refusal_of_the_servers_metadata_says_what_was_seen_and_what_to_do() -> None:
    async def said(documents: dict[str, Any], challenge: Challenge | None = None) -> str:
        with pytest.raises((SignInError, UnreachableError)) as raised:
            await discover_resource(fetcher(documents), SERVER, challenge)
        return str(raised.value)

    assert await said({**root_and_path({}), RESOURCE_AT: httpx2.Response(200, content=b"<html>")}) == (
        "https://mcp.example/mcp asks for a sign-in but does not say where: no protected resource metadata at"
        f" {RESOURCE_AT}/mcp (200, but it has no valid authorization_servers, resource),"
        f" {RESOURCE_AT} (200, not a JSON object)."
    )
    assert await said({**root_and_path(404), RESOURCE_AT: 503}) == (
        f"The MCP server cannot serve its metadata now: {RESOURCE_AT}/mcp (404), {RESOURCE_AT} (503)."
    )
    assert await said(root_and_path({**RESOURCE, "resource": "urn:\x1b[2Jother"})) == (
        f"The metadata at {RESOURCE_AT}/mcp is about 'urn: [2Jother', not about https://mcp.example/mcp: it is not"
        " used. Is MCP_PUBLIC_URL the server's own URL, byte for byte?"
    )
    assert await said({}, Challenge("bearer", {"resource_metadata": "https://10.0.0.1/"})) == (
        "The resource_metadata URL of the server is 'https://10.0.0.1/': a public server must not point at a private"
        " address."
    )


async def test_each_refusal_of_the_tenants_metadata_says_what_was_seen_and_what_to_do() -> None:
    async def said(document: Any, issuer: str = ISSUER) -> str:
        with pytest.raises(SignInError) as raised:
            await discover_issuer(fetcher({issuer_metadata_urls(ISSUER)[0]: document}), issuer, SERVER)
        return str(raised.value)

    assert await said({"error": "tenant_paused", "error_description": "Your tenant is paused."}) == (
        "The authorization server https://tenant.example/ has no metadata, and endpoints are not guessed:"
        f" {TENANT_AT}/oauth-authorization-server (200: tenant_paused: Your tenant is paused.),"
        f" {TENANT_AT}/openid-configuration (404)."
    )
    assert await said({**TENANT, "issuer": "https://evil.example/"}) == (
        f"The metadata at {TENANT_AT}/oauth-authorization-server is of the issuer 'https://evil.example/', not of"
        " 'https://tenant.example/' (they are compared byte for byte, also the final slash): it is not used."
    )
    assert await said({**TENANT, "token_endpoint": "http://tenant.example/token"}) == (
        "The token_endpoint of https://tenant.example/ is 'http://tenant.example/token': it must be an https URL (http"
        " only on localhost)."
    )
    assert await said(TENANT, "http://tenant.example/") == (
        "The authorization server of the server is 'http://tenant.example/': it must be an https URL (http only on"
        " localhost)."
    )


async def announcing(methods: list[str] | None) -> AuthorizationServer:
    document = {**TENANT, "code_challenge_methods_supported": methods}
    return await discover_issuer(fetcher({issuer_metadata_urls(ISSUER)[0]: document}), ISSUER, SERVER)


@pytest.mark.parametrize(("methods", "seen"), [([], "empty"), (["plain", "s256"], "plain, s256")])
@pytest.mark.parametrize("unannounced", [False, True])
async def test_an_authorization_server_without_s256_is_refused(
    methods: list[str], seen: str, unannounced: bool
) -> None:
    server = await announcing(methods)
    with pytest.raises(SignInError) as raised:
        require_pkce(server, unannounced=unannounced)
    assert str(raised.value) == (
        "The authorization server https://tenant.example/ does not say that it supports PKCE with S256"
        f" (code_challenge_methods_supported: {seen}), so a stolen code could be used. The sign-in is refused. Switch"
        " on S256 there."
    )


async def test_an_authorization_server_without_a_list_of_methods_has_its_own_advice() -> None:
    server = await announcing(None)
    with pytest.raises(SignInError) as raised:
        require_pkce(server)
    assert str(raised.value) == (
        "The metadata of https://tenant.example/ does not say whether it supports PKCE (it has no"
        " code_challenge_methods_supported). Without PKCE a stolen code could be used, so the sign-in is refused."
        " Microsoft Entra and Amazon Cognito support PKCE with S256 and do not say so: if yours also does, set"
        " OAUTH_PKCE_UNANNOUNCED=1. (More: gatehouse doctor --explain pkce)"
    )
    require_pkce(server, unannounced=True)


@pytest.mark.parametrize(
    "name",
    [
        "authorization_endpoint",
        "token_endpoint",
        "revocation_endpoint",
        "registration_endpoint",
        "device_authorization_endpoint",
    ],
)
@pytest.mark.parametrize(
    "url", ["http://tenant.example/x", "javascript:alert(1)", "https://user@tenant.example/", "https://10.0.0.1/"]
)
async def test_an_endpoint_that_is_not_safe_is_refused(name: str, url: str) -> None:
    with pytest.raises(SignInError, match=name):
        await discover_issuer(fetcher({issuer_metadata_urls(ISSUER)[0]: {**TENANT, name: url}}), ISSUER, SERVER)


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest",
        "https://169.254.169.254/latest",
        "https://localhost/x",
        "https://[::1]/x",
        "https://192.168.0.1/",
        "ftp://mcp.example/x",
        "http://mcp.example/x",
        "https://mcp.example/a b",
    ],
)
async def test_a_server_cannot_send_the_client_inside(url: str) -> None:
    seen: list[str] = []
    with pytest.raises(SignInError):
        await discover_resource(fetcher({}, seen), SERVER, Challenge("bearer", {"resource_metadata": url}))
    with pytest.raises(SignInError):
        await discover_issuer(fetcher({}, seen), url, SERVER)
    assert seen == []


async def test_a_server_on_this_machine_may_name_its_metadata_on_this_machine() -> None:
    server, named = "http://localhost:5555/mcp", "http://127.0.0.1:5555/meta"
    challenge = Challenge("bearer", {"resource_metadata": named})
    found = await discover_resource(fetcher({named: {**RESOURCE, "resource": server}}), server, challenge)
    assert found.resource == server


@pytest.mark.parametrize("issuer", ["https://tenant.example/?realm=one", "https://tenant.example/#one"])
async def test_an_issuer_with_a_query_or_a_fragment_is_refused_before_any_request(issuer: str) -> None:
    seen: list[str] = []
    with pytest.raises(SignInError) as raised:
        await discover_issuer(fetcher({}, seen), issuer, SERVER)
    assert str(raised.value) == f"The issuer {issuer!r} has a query or a fragment (RFC 8414 section 2)."
    assert seen == []


async def test_a_server_on_this_machine_may_name_a_tenant_on_this_machine() -> None:
    issuer = "http://localhost:9000/"
    document = {
        **TENANT,
        "issuer": issuer,
        "authorization_endpoint": "http://localhost:9000/authorize",
        "token_endpoint": "http://localhost:9000/oauth/token",
    }
    found = await discover_issuer(fetcher({issuer_metadata_urls(issuer)[0]: document}), issuer, "http://localhost/mcp")
    assert found.issuer == issuer


def test_the_issuer_that_the_credentials_belong_to_is_chosen() -> None:
    resource = ProtectedResource(resource=SERVER, authorization_servers=("https://other.example/", ISSUER))
    assert choose_issuer(resource, ISSUER) == ISSUER
    assert choose_issuer(resource, None) == "https://other.example/"
    with pytest.raises(SignInError) as raised:
        choose_issuer(resource, "https://mine.example/")
    assert str(raised.value) == (
        "The server names the authorization server https://other.example/, https://tenant.example/, but the application"
        " (AUTH0_CLIENT_ID) belongs to https://mine.example/. Set AUTH0_ISSUER (or AUTH0_DOMAIN) to the server's, byte"
        " for byte, with the application's credentials there."
    )


async def test_a_redirect_is_followed_within_the_origin_only() -> None:
    path_form = resource_metadata_urls(SERVER, None)[0]
    inside = httpx2.Response(307, headers={"Location": "/moved"})
    assert (
        await discover_resource(fetcher({path_form: inside, "https://mcp.example/moved": RESOURCE}), SERVER, None)
    ).resource == SERVER
    seen: list[str] = []
    outside = httpx2.Response(307, headers={"Location": "https://evil.example/moved"})
    with pytest.raises(SignInError, match="307"):
        await discover_resource(
            fetcher({path_form: outside, "https://evil.example/moved": RESOURCE}, seen), SERVER, None
        )
    assert not [url for url in seen if "evil" in url]


@pytest.mark.parametrize(
    "make", [lambda: b"x" * (MAX_BODY + 1), lambda: b"[" * 100_000, lambda: b"\xff", lambda: b"[1]"]
)
async def test_a_body_that_is_too_large_or_no_json_object_does_no_harm(make: Callable[[], bytes]) -> None:
    document = httpx2.Response(200, content=make())
    with pytest.raises(SignInError):
        await discover_resource(fetcher(root_and_path(document)), SERVER, None)


async def test_a_server_that_does_not_answer_is_named() -> None:
    def refuse(request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError("All connection attempts failed", request=request)

    with pytest.raises(
        UnreachableError, match=r"^The MCP server https://mcp\.example cannot be reached: All connection"
    ):
        await discover_resource(Fetcher(transport=httpx2.MockTransport(refuse)), SERVER, None)


@pytest.mark.parametrize(
    ("host", "inside"),
    [
        ("localhost", True),
        ("LOCALHOST.", True),
        ("a.localhost", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("localhost.example", False),
        ("example", False),
        ("10.0.0.1", False),
        (None, False),
    ],
)
def test_only_names_of_this_machine_are_loopback(host: str | None, inside: bool) -> None:
    assert is_loopback(host) is inside


def test_urls_with_tricks_are_not_secure() -> None:
    assert is_secure("https://x.example/")
    for url in ("https://", "https://x:bad/", "https://u:p@x/", "https://x/\n", "file:///x", "http://x.example/", "x"):
        assert not is_secure(url), url
    assert not same_url("https://x/a#b", "https://x/a#b")
    assert not same_url("https://x:bad/", "https://x/")
