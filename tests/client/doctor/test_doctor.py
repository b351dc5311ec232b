"""The doctor and answers that the offline tenant does not give."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from email.utils import formatdate
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from joserfc import jwt
from joserfc.jwk import OctKey

from gatehouse_client.account import Account
from gatehouse_client.causes.catalogue import ENTRIES
from gatehouse_client.doctor import tokens
from gatehouse_client.doctor.context import Context
from gatehouse_client.doctor.findings import Finding, Mark, wrong
from gatehouse_client.doctor.graph import checks_for
from gatehouse_client.settings import load_settings
from gatehouse_client.signin.http.trace import Trace
from gatehouse_client.signin.protocol.silent import similar_identifiers
from tests.client.doctor.web import API, GOOD, ISSUER, METADATA, Answer, Web, key, redirected, signed
from tests.client.fake_stack import FakeStack
from tests.client.run_command import Command

SECRET = OctKey.import_key("a-secret-of-at-least-32-characters")

pytestmark = pytest.mark.anyio


def always(status: int, **more: Any) -> Answer:
    return lambda _: httpx2.Response(status, **more)


def audience_of(request: httpx2.Request) -> str:
    return parse_qs(urlsplit(str(request.url)).query).get("audience", [""])[0]


def all_wrong(found: dict[str, Finding]) -> list[str]:
    return [check for check, finding in found.items() if finding.mark is Mark.WRONG]


async def test_nothing_is_wrong_with_a_correct_set_up(web: Web) -> None:
    assert all_wrong(await web.found()) == []
    assert all_wrong(await web.found(gatehouse_token=signed(GOOD))) == []


async def test_what_stands_on_a_wrong_check_is_not_checked_and_names_it(web: Web) -> None:
    web.answers["/mcp"] = always(503)
    found = await web.found()
    assert all_wrong(found) == ["server"]
    for check in ("challenge", "required-permission", "resource-metadata", "authorization-server"):
        assert found[check].mark is Mark.UNKNOWN
        assert found[check].seen == "because server is wrong: The MCP server answers at MCP_PUBLIC_URL."


async def test_a_check_that_is_skipped_keeps_no_other_from_running(web: Web) -> None:
    web.answers["/mcp"] = always(404)
    found = await web.found(skip=("server",))
    assert "server" not in found
    assert found["challenge"].seen.endswith("answers 404 to a request without a token, not 401.")


def test_the_graph_has_every_check_and_only_checks() -> None:
    for sign_in in ("auto", "device", "machine", "assertion"):
        checks = checks_for(load_settings(gatehouse_sign_in=sign_in))
        assert {check.name for check in checks} == set(ENTRIES)
        assert {ground for check in checks for ground in (*check.grounds, *check.after)} <= set(ENTRIES)


async def test_the_permission_of_the_servers_challenge_is_compared(web: Web) -> None:
    found = await web.found(required_permission="mcp:use", gatehouse_token=signed({**GOOD, "scope": "mcp:use"}))
    assert all_wrong(found) == ["required-permission"]
    assert "asks for access:mcp, but REQUIRED_PERMISSION of the client is mcp:use" in found["required-permission"].seen
    assert found["required-permission"].fixes()["environment"].splitlines() == [
        "REQUIRED_PERMISSION=access:mcp  # in the client",
        "REQUIRED_PERMISSION=mcp:use  # or in the server",
    ]
    assert found["role"].seen.startswith("because required-permission is wrong")


async def test_a_403_is_never_an_accepted_token(web: Web) -> None:
    needs = 'Bearer error="insufficient_scope", scope="access:mcp mcp:admin"'

    def forbid(request: httpx2.Request) -> httpx2.Response:
        if "authorization" not in request.headers:
            return httpx2.Response(401, headers={"WWW-Authenticate": f'Bearer resource_metadata="{METADATA}"'})
        return httpx2.Response(403, headers={"WWW-Authenticate": needs})

    web.answers["/mcp"] = forbid
    found = await web.found(gatehouse_token=signed(GOOD))
    assert all_wrong(found) == ["role"]
    assert "lacks mcp:admin" in found["role"].seen
    assert found["accepted"].mark is Mark.UNKNOWN
    web.answers["/mcp"] = lambda request: (
        httpx2.Response(403, text="Blocked by a firewall") if "authorization" in request.headers else forbid(request)
    )
    found = await web.found(gatehouse_token=signed(GOOD))
    assert all_wrong(found) == ["accepted"]
    assert "Blocked by a firewall" in found["accepted"].seen


@pytest.mark.parametrize(
    ("uri", "port", "seen"),
    [
        ("http://localhost:8642/callback", 5000, "OAUTH_CALLBACK_PORT is 5000, but OAUTH_CALLBACK_URI is"),
        ("http://127.0.0.1/callback", 8080, "The browser goes to port 80"),
        ("http://localhost:8642/callback", 8642, None),
        ("http://localhost:8642/callback", None, None),
        ("https://dev.example.com/callback", 8642, None),
    ],
)
async def test_the_callbacks_port_and_url_are_compared(web: Web, uri: str, port: int | None, seen: str | None) -> None:
    callback = (await web.found(oauth_callback_uri=uri, oauth_callback_port=port))["callback-port"]
    assert callback.mark is (Mark.WRONG if seen else Mark.OK)
    if seen:
        assert seen in callback.seen
        assert callback.fixes() == {"environment": f"OAUTH_CALLBACK_PORT={urlsplit(uri).port or 80}"}


async def test_a_server_that_is_down_leads_to_no_advice_about_its_identifier(web: Web) -> None:
    def down(_: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError("All connection attempts failed")

    web.answers["/mcp"] = down
    found = await web.found()
    assert all_wrong(found) == ["server"]
    assert found["server"].fixes() == {}, "the right URL is not known"
    assert found["resource-identifier"].seen.startswith("because server is wrong")
    assert found["api"].seen.startswith("because server is wrong")


async def test_the_other_url_of_the_server_is_the_fix(web: Web) -> None:
    other = {"resource": "https://other.example/mcp", "authorization_servers": [ISSUER]}
    web.answers["/.well-known/oauth-protected-resource/mcp"] = always(200, json=other)
    found = await web.found()
    assert all_wrong(found) == ["resource-metadata"]
    assert found["resource-metadata"].fixes()["environment"].startswith("MCP_PUBLIC_URL=https://other.example/mcp ")


@pytest.mark.parametrize(
    ("exists", "named"), [(True, "Both exist"), (False, "The server's is wrong: The authorization server")]
)
async def test_whose_tenant_is_wrong_is_said(web: Web, named: str, *, exists: bool) -> None:
    theirs = "https://theirs.example/"
    document = {"resource": API, "authorization_servers": [theirs]}
    web.answers["/.well-known/oauth-protected-resource/mcp"] = always(200, json=document)

    def metadata(request: httpx2.Request) -> httpx2.Response:
        if request.url.host == "tenant.example":
            return web.usual(request)
        return httpx2.Response(200, json={**web.metadata(), "issuer": theirs}) if exists else httpx2.Response(404)

    web.answers["/.well-known/oauth-authorization-server"] = metadata
    web.tenant = {"authorization_endpoint": f"{ISSUER}authorize"}
    found = await web.found()
    assert all_wrong(found) == ["authorization-server"]
    assert named in found["authorization-server"].seen
    assert found["authorization-server"].fixes()["environment"].startswith(f"AUTH0_ISSUER={ISSUER} ")


async def test_a_token_of_the_future_is_a_matter_of_clocks(web: Web) -> None:
    def refuse(request: httpx2.Request) -> httpx2.Response:
        if "authorization" not in request.headers:
            return web.usual(request)
        reason = "The token was issued in the future: compare the clocks."
        said = f'Bearer error="invalid_token", error_description="{reason}"'
        return httpx2.Response(401, headers={"WWW-Authenticate": said})

    web.answers["/mcp"] = refuse
    found = await web.found(gatehouse_token=signed({**GOOD, "iat": int(time.time()) + 300}))
    assert all_wrong(found) == ["clock"]
    assert found["accepted"].seen.startswith("because clock is wrong")
    found = await web.found(gatehouse_token=signed(GOOD))
    assert all_wrong(found) == ["accepted"], "only the server's clock is behind"
    assert "NTP" in found["accepted"].entry.advice
    assert found["accepted"].fixes() == {}


def test_a_fix_line_is_left_out_if_its_value_is_not_safe_to_copy() -> None:
    for value in ("https://x.example/'; rm -rf ~ #", "a b", "x\ny", "", "\u202e"):
        assert Finding(Mark.WRONG, "", "resource-metadata", {"resource": value}).fixes() == {}
    assert wrong("", resource="https://x.example/").values == {"resource": "https://x.example/"}


async def test_a_tenant_that_asks_for_the_person_first_leaves_checks_unknown(web: Web) -> None:
    found = await web.found()
    assert found["application"].mark is found["callback"].mark is Mark.OK
    unknown = ("connection", "api", "client-grant", "resource-profile")
    assert {found[check].mark for check in unknown} == {Mark.UNKNOWN}


async def test_the_request_needs_no_person_and_is_otherwise_that_of_a_sign_in(web: Web) -> None:
    await web.found()
    asked = [request for request in web.sent if request.url.path == "/authorize"]
    seen = [parse_qs(urlsplit(str(request.url)).query) for request in asked]
    assert all(query["prompt"] == ["none"] and query["code_challenge_method"] == ["S256"] for query in seen)
    assert seen[0]["audience"] == [API]


@pytest.mark.parametrize(
    ("identifier", "difference"), [(f"{API}/", "the final slash"), ("http://mcp.example/mcp", "http, not https")]
)
async def test_an_api_with_a_similar_identifier_is_named(web: Web, identifier: str, difference: str) -> None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        asked = audience_of(request)
        if asked == identifier:
            return redirected("login_required", "")
        return redirected("access_denied", f"Service not found: {asked}")

    web.answers["/authorize"] = answer
    api = (await web.found())["api"]
    assert api.mark is Mark.WRONG
    assert identifier in api.seen
    assert difference in api.seen
    assert api.fixes()["environment"] == f"AUTH0_AUDIENCE={identifier}"


@pytest.mark.parametrize(
    ("status", "body", "check"),
    [
        (400, "<h1>Oops!, something went wrong</h1><p>invalid_request: Unknown client: the-client</p>", "application"),
        (403, "<html><style>p{}</style><p>Callback URL mismatch.</p>", "callback"),
        (400, '{"error": "unauthorized_client", "error_description": "Callback URL mismatch. x"}', "callback"),
    ],
)
async def test_a_page_of_the_tenant_is_read(web: Web, status: int, body: str, check: str) -> None:
    web.answers["/authorize"] = always(status, text=body)
    assert all_wrong(await web.found()) == [check]


async def test_an_unknown_answer_is_shown_and_the_check_stays_unknown(web: Web) -> None:
    web.answers["/authorize"] = always(200, text="<p>Maintenance</p>")
    application = (await web.found())["application"]
    assert application.mark is Mark.UNKNOWN
    assert "Maintenance" in application.seen


@pytest.mark.parametrize(
    ("error", "status", "credentials", "grant_types"),
    [
        ("invalid_grant", 403, Mark.OK, Mark.OK),
        ("unauthorized_client", 403, Mark.OK, Mark.WRONG),
        ("invalid_client", 401, Mark.WRONG, Mark.UNKNOWN),
        ("access_denied", 401, Mark.WRONG, Mark.UNKNOWN),
        ("too_many_requests", 429, Mark.UNKNOWN, Mark.UNKNOWN),
    ],
)
async def test_the_token_endpoint_shows_faults_of_credentials_and_grant_types(
    web: Web, error: str, status: int, credentials: Mark, grant_types: Mark
) -> None:
    web.answers["/oauth/token"] = always(status, json={"error": error})
    found = await web.found(auth0_client_secret="the-secret")
    assert (found["credentials"].mark, found["grant-types"].mark) == (credentials, grant_types)
    assert "the-secret" not in repr(found)


@pytest.mark.parametrize(
    ("status", "mark"), [(400, Mark.OK), (201, Mark.OK), (403, Mark.WRONG), (404, Mark.WRONG), (429, Mark.UNKNOWN)]
)
async def test_registration_is_judged_by_its_refusal_and_registers_nothing(web: Web, status: int, mark: Mark) -> None:
    web.answers["/oidc/register"] = always(status, json={"error": "invalid_redirect_uri"})
    assert (await web.found())["registration"].mark is mark
    sent = next(request for request in web.sent if request.url.path == "/oidc/register")
    assert b"redirect_uris" not in sent.content


@pytest.mark.parametrize(("ahead", "mark"), [(0, Mark.OK), (20, Mark.OK), (120, Mark.WRONG), (-120, Mark.WRONG)])
async def test_a_clock_that_is_wrong_is_named(web: Web, ahead: float, mark: Mark) -> None:
    dated = {"Date": formatdate(time.time() + ahead, usegmt=True)}
    web.answers["/jwks"] = always(200, headers=dated, json={"keys": [key().as_dict(private=False)]})
    clock = (await web.found())["clock"]
    assert clock.mark is mark
    assert "the tenant" in clock.seen


async def test_without_dates_and_certificates_the_checks_stay_unknown(web: Web) -> None:
    web.answers["/jwks"] = always(200, headers={"Date": "nonsense"}, json={})
    web.answers["/mcp"] = always(404)
    web.tenant = {"issuer": "http://localhost/", "jwks_uri": "http://localhost/jwks"}
    found = await web.found(mcp_public_url="http://localhost/mcp", auth0_issuer="http://localhost/")
    assert found["clock"].mark is found["tls"].mark is Mark.UNKNOWN
    assert all_wrong(found)[0] == "server", "both do not keep others from running"


async def test_a_certificate_that_is_not_trusted_is_its_own_finding(web: Web) -> None:
    def refuse(_: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed")

    web.answers["/mcp"] = web.answers["/.well-known/oauth-authorization-server"] = refuse
    found = await web.found()
    assert all_wrong(found) == ["tls"]
    assert found["server"].mark is found["discovery"].mark is Mark.UNKNOWN


@pytest.mark.parametrize(
    ("change", "check"),
    [
        ({"issuer": ISSUER.removesuffix("/")}, "issuer"),
        ({"code_challenge_methods_supported": ["plain"]}, "pkce"),
        ({"jwks_uri": None}, "keys"),
    ],
)
async def test_each_fault_of_the_tenants_documents_is_one_finding(
    web: Web, change: dict[str, object], check: str
) -> None:
    web.tenant = change
    assert all_wrong(await web.found()) == [check]


@pytest.mark.parametrize(
    ("status", "headers", "check"),
    [
        (200, {}, "challenge"),
        (401, {"WWW-Authenticate": "Bearer"}, "challenge"),
        (404, {}, "server"),
        (503, {}, "server"),
        (421, {}, "hosts"),
    ],
)
async def test_each_fault_of_the_server_is_found(web: Web, status: int, headers: dict[str, str], check: str) -> None:
    web.answers["/mcp"] = always(status, headers=headers)
    assert all_wrong(await web.found()) == [check]


async def test_similar_identifiers_differ_in_the_final_slash_or_the_scheme() -> None:
    assert list(similar_identifiers("https://x.example/")) == ["https://x.example", "http://x.example/"]
    assert list(similar_identifiers("urn:api")) == ["urn:api/"]


@pytest.mark.parametrize(
    ("claims", "check"),
    [
        (None, "token"),
        ({**GOOD, "aud": "https://other.example/api"}, "token-audience"),
        ({**GOOD, "iss": "https://other.example/"}, "token-audience"),
        ({name: value for name, value in GOOD.items() if name != "permissions"}, "rbac"),
        ({**GOOD, "scope": "openid", "permissions": []}, "role"),
        ({**GOOD, "scope": "openid"}, "role"),
    ],
)
async def test_each_fault_of_a_token_is_found(web: Web, claims: dict[str, object] | None, check: str) -> None:
    assert all_wrong(await web.found(gatehouse_token=signed(claims) if claims else "e30..x.y.z")) == [check]


@pytest.mark.parametrize(
    ("token", "check"),
    [
        (
            lambda: jwt.encode({"alg": "HS256"}, GOOD, OctKey.import_key("a-secret-of-at-least-32-characters")),
            "token-algorithm",
        ),
        (lambda: signed(GOOD, kid="two"), "token-signature"),
        (lambda: signed(GOOD)[:-8] + "AAAAAAAA", "token-signature"),
    ],
)
async def test_a_signature_that_does_not_match_the_published_keys_is_found(
    web: Web, token: Callable[[], str], check: str
) -> None:
    assert all_wrong(await web.found(gatehouse_token=token())) == [check]


@pytest.mark.parametrize(
    ("status", "with_origin", "check"), [(421, 421, "hosts"), (200, 403, "hosts"), (401, 401, "accepted")]
)
async def test_a_server_that_refuses_the_token_the_host_or_the_origin_is_found(
    web: Web, status: int, with_origin: int, check: str
) -> None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        if "authorization" not in request.headers:
            return web.usual(request)
        return httpx2.Response(with_origin if "origin" in request.headers else status)

    web.answers["/mcp"] = answer
    assert all_wrong(await web.found(gatehouse_token=signed(GOOD))) == [check]


@pytest.mark.parametrize(
    ("asked", "refresh_token", "answer", "mark", "expected"),
    [
        ("access:mcp offline_access", None, None, Mark.WRONG, "not issued"),
        ("access:mcp", None, None, Mark.WRONG, "did not ask"),
        ("offline_access", "r1", 403, Mark.WRONG, "invalid_grant"),
        ("offline_access", "r1", 503, Mark.UNKNOWN, "cannot serve now"),
        ("offline_access", "r1", 200, Mark.OK, "refreshed"),
    ],
)
def test_the_refresh_token_is_used_once_as_a_check(
    stack: FakeStack,
    command: Command,
    asked: str,
    refresh_token: str | None,
    answer: int | None,
    mark: Mark,
    expected: str,
) -> None:
    account = signed_in(stack, command, requested_scope=asked, **({} if refresh_token else {"refresh_token": None}))
    if answer not in (None, 200):
        stack.token_answer = (answer or 0, {"error": "invalid_grant"})
    context = Context(load_settings(), account, Trace())
    finding = asyncio.run(tokens.refresh_token(context))
    asyncio.run(tokens.token(context))
    assert context.grant is not None
    assert len(stack.entries("refresh")) == (refresh_token is not None)
    assert finding.mark is mark
    assert expected in finding.seen


@pytest.mark.parametrize(
    ("refusal", "mark", "expected", "advice"),
    [
        (None, Mark.UNKNOWN, "expired", "run `gatehouse login`"),
        ((403, "invalid_grant"), Mark.UNKNOWN, "invalid_grant", "run `gatehouse login`"),
        ((403, "unauthorized_client"), Mark.WRONG, "unauthorized_client", "see refresh-token"),
        ((503, ""), Mark.UNKNOWN, "cannot serve now", "see refresh-token"),
    ],
)
def test_an_expired_sign_in_is_not_judged(
    stack: FakeStack, command: Command, refusal: tuple[int, str] | None, mark: Mark, expected: str, advice: str
) -> None:
    account = signed_in(stack, command, expires_at=1.0, **({} if refusal else {"refresh_token": None}))
    if refusal is not None:
        stack.token_answer = (refusal[0], {"error": refusal[1]})
    context = Context(load_settings(), account, Trace())
    refresh = asyncio.run(tokens.refresh_token(context))
    assert (refresh.mark, expected in refresh.seen) == (mark, True)
    token = asyncio.run(tokens.token(context))
    assert token.mark is Mark.UNKNOWN
    assert token.blocks
    assert token.seen.startswith("the sign-in expired at 1970-01-01")
    assert advice in token.seen


def test_an_expired_sign_in_that_can_be_refreshed_is_checked_as_a_current_one(
    stack: FakeStack, command: Command
) -> None:
    account = signed_in(stack, command, expires_at=1.0)
    context = Context(load_settings(), account, Trace())
    assert asyncio.run(tokens.token(context)).mark is Mark.OK
    assert context.grant is not None
    assert context.grant.is_alive(time.time())


def test_the_fix_of_a_check_is_in_the_json(stack: FakeStack, command: Command) -> None:
    result = command("doctor", "--json", OAUTH_CALLBACK_PORT="5000")
    found = {check["check"]: check for check in json.loads(result.stdout)["checks"]}
    assert result.exit_code == 1
    uri = urlsplit(command.variables["OAUTH_CALLBACK_URI"])
    assert found["callback-port"]["fix"] == {"environment": f"OAUTH_CALLBACK_PORT={uri.port}"}


def signed_in(stack: FakeStack, command: Command, **changes: object) -> Account:
    """The account of a signed-in person; `changes` replace values of the stored sign-in."""
    assert command("login").exit_code == 0
    account = Account.from_settings(load_settings(), lambda _: None, Trace())
    stored = account.store.load(stack.server)
    assert stored is not None
    account.store.save(stored.model_copy(update=changes))
    return account
