"""The doctor and answers that the offline tenant does not give."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Callable
from email.utils import formatdate
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx2
import pytest
from joserfc.jwk import RSAKey

from gatehouse_client.account import Account
from gatehouse_client.doctor.application import check_application, check_token_endpoint
from gatehouse_client.doctor.findings import Finding, Findings, Mark
from gatehouse_client.doctor.other_clients import check_registration, check_resource_profile
from gatehouse_client.doctor.server import check_certificates, check_clock, check_server, note_reply
from gatehouse_client.doctor.signin import check_access_token, check_stored_sign_in
from gatehouse_client.doctor.tenant import Keys, check_tenant
from gatehouse_client.settings import Settings, load_settings
from gatehouse_client.signin.http.fetch import Fetcher, Reply
from gatehouse_client.signin.http.trace import Trace
from gatehouse_client.signin.protocol.client import OAuthClient
from gatehouse_client.signin.protocol.discovery import AuthorizationServer
from gatehouse_client.signin.protocol.silent import Asker, similar_identifiers
from tests.client.fake_stack import FakeStack
from tests.client.run_command import Command

ISSUER = "https://tenant.example/"
API = "https://mcp.example/mcp"
CALLBACK = "http://localhost:5000/callback"
SERVER = AuthorizationServer(
    issuer=ISSUER,
    authorization_endpoint=f"{ISSUER}authorize",
    token_endpoint=f"{ISSUER}oauth/token",
    registration_endpoint=f"{ISSUER}oidc/register",
)

pytestmark = pytest.mark.anyio

Answer = Callable[[httpx2.Request], httpx2.Response]


def asking(answer: Answer) -> Asker:
    return Asker(Fetcher(transport=httpx2.MockTransport(answer)), SERVER, "the-client", CALLBACK)


def fetching(answer: Answer) -> Fetcher:
    return Fetcher(transport=httpx2.MockTransport(answer))


def redirected(error: str, description: str) -> httpx2.Response:
    query = urlencode({"error": error, "error_description": description})
    return httpx2.Response(302, headers={"Location": f"{CALLBACK}?{query}"})


def marks(findings: Findings) -> dict[str, Mark]:
    return {finding.check: finding.mark for finding in findings.all()}


def audience_of(request: httpx2.Request) -> str:
    return parse_qs(urlsplit(str(request.url)).query).get("audience", [""])[0]


async def test_a_tenant_that_asks_for_the_person_first_leaves_checks_unknown() -> None:
    findings = Findings()
    asker = asking(lambda _: redirected("login_required", "Login required"))
    await check_application(asker, "access:mcp", API, findings)
    await check_resource_profile(asker, API, findings)
    found = marks(findings)
    assert found["application"] is found["callback"] is Mark.OK
    assert {found[check] for check in ("connection", "api", "client-grant", "resource-profile")} == {Mark.UNKNOWN}


async def test_the_request_needs_no_person_and_is_otherwise_that_of_a_sign_in() -> None:
    seen: list[dict[str, list[str]]] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append(parse_qs(urlsplit(str(request.url)).query))
        return redirected("login_required", "")

    await check_application(asking(answer), "access:mcp", API, Findings())
    assert all(query["prompt"] == ["none"] and query["code_challenge_method"] == ["S256"] for query in seen)
    assert seen[0]["audience"] == [API]


@pytest.mark.parametrize(
    ("identifier", "difference"), [(f"{API}/", "the final slash"), ("http://mcp.example/mcp", "http, not https")]
)
async def test_an_api_with_a_similar_identifier_is_named(identifier: str, difference: str) -> None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        asked = audience_of(request)
        if asked == identifier:
            return redirected("login_required", "")
        return redirected("access_denied", f"Service not found: {asked}")

    findings = Findings()
    await check_application(asking(answer), "access:mcp", API, findings)
    api = next(finding for finding in findings.all() if finding.check == "api")
    assert api.mark is Mark.WRONG
    assert identifier in api.seen
    assert difference in api.seen
    assert api.fixes()["environment"].startswith(f"AUTH0_AUDIENCE={identifier} ")


@pytest.mark.parametrize(
    ("status", "body", "check"),
    [
        (400, "<h1>Oops!, something went wrong</h1><p>invalid_request: Unknown client: the-client</p>", "application"),
        (403, "<html><style>p{}</style><p>Callback URL mismatch.</p>", "callback"),
        (400, '{"error": "unauthorized_client", "error_description": "Callback URL mismatch. x"}', "callback"),
    ],
)
async def test_a_page_of_the_tenant_is_read(status: int, body: str, check: str) -> None:
    findings = Findings()
    await check_application(asking(lambda _: httpx2.Response(status, text=body)), "access:mcp", API, findings)
    assert [name for name, mark in marks(findings).items() if mark is Mark.WRONG] == [check]


async def test_an_unknown_answer_is_shown_and_the_check_stays_unknown() -> None:
    findings = Findings()
    await check_application(
        asking(lambda _: httpx2.Response(200, text="<p>Maintenance</p>")), "access:mcp", API, findings
    )
    application = findings.all()[[finding.check for finding in findings.all()].index("application")]
    assert application.mark is Mark.UNKNOWN
    assert "Maintenance" in application.seen


@pytest.mark.parametrize(
    ("error", "status", "found"),
    [
        ("invalid_grant", 403, (Mark.OK, Mark.OK)),
        ("unauthorized_client", 403, (Mark.OK, Mark.WRONG)),
        ("invalid_client", 401, (Mark.WRONG, Mark.UNKNOWN)),
        ("access_denied", 401, (Mark.WRONG, Mark.UNKNOWN)),
        ("too_many_requests", 429, (Mark.UNKNOWN, Mark.UNKNOWN)),
    ],
)
async def test_the_token_endpoint_shows_faults_of_credentials_and_grant_types(
    error: str, status: int, found: tuple[Mark, Mark]
) -> None:
    findings = Findings()
    asker = asking(lambda _: httpx2.Response(status, json={"error": error}))
    await check_token_endpoint(asker, OAuthClient("the-client", "the-secret"), Settings(), findings)
    assert (marks(findings)["credentials"], marks(findings)["grant-types"]) == found
    assert "the-secret" not in repr(findings.all())


@pytest.mark.parametrize(
    ("status", "mark"), [(400, Mark.OK), (201, Mark.OK), (403, Mark.WRONG), (404, Mark.WRONG), (429, Mark.UNKNOWN)]
)
async def test_registration_is_judged_by_its_refusal_and_registers_nothing(status: int, mark: Mark) -> None:
    sent: list[bytes] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        sent.append(request.content)
        return httpx2.Response(status, json={"error": "invalid_redirect_uri"})

    findings = Findings()
    await check_registration(fetching(answer), SERVER, findings)
    assert marks(findings)["registration"] is mark
    assert b"redirect_uris" not in sent[0]


@pytest.mark.parametrize(("ahead", "mark"), [(0, Mark.OK), (20, Mark.OK), (120, Mark.WRONG), (-120, Mark.WRONG)])
async def test_a_clock_that_is_wrong_is_named(ahead: float, mark: Mark) -> None:
    findings = Findings()
    headers = httpx2.Headers({"Date": formatdate(time.time() + ahead, usegmt=True)})
    note_reply(findings, "the tenant", Reply(ISSUER, 200, headers, b""))
    check_clock(findings)
    clock = next(finding for finding in findings.all() if finding.check == "clock")
    assert clock.mark is mark
    assert "the tenant" in clock.seen


async def test_without_dates_and_certificates_the_checks_stay_unknown() -> None:
    findings = Findings()
    note_reply(findings, "the server", Reply("http://localhost/mcp", 200, httpx2.Headers({"Date": "nonsense"}), b""))
    check_clock(findings)
    check_certificates(findings)
    assert marks(findings)["clock"] is marks(findings)["tls"] is Mark.UNKNOWN


async def test_a_certificate_that_is_not_trusted_is_its_own_finding() -> None:
    def refuse(_: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed")

    findings = Findings()
    await check_server(fetching(refuse), API, ISSUER, findings)
    assert await check_tenant(fetching(refuse), ISSUER, API, findings) is None
    found = marks(findings)
    assert found["tls"] is Mark.WRONG
    assert found["server"] is found["discovery"] is Mark.UNKNOWN


@pytest.mark.parametrize(
    ("change", "check"),
    [
        ({"issuer": ISSUER.removesuffix("/")}, "issuer"),
        ({"code_challenge_methods_supported": ["plain"]}, "pkce"),
        ({"jwks_uri": None}, "keys"),
    ],
)
async def test_each_fault_of_the_tenants_documents_is_one_finding(change: dict[str, object], check: str) -> None:
    document = {
        "issuer": ISSUER,
        "authorization_endpoint": f"{ISSUER}authorize",
        "token_endpoint": f"{ISSUER}oauth/token",
        "jwks_uri": f"{ISSUER}.well-known/jwks.json",
        "code_challenge_methods_supported": ["S256"],
        **change,
    }

    def answer(request: httpx2.Request) -> httpx2.Response:
        keys = {"keys": [{"kty": "RSA", "alg": "RS256", "kid": "one"}]}
        return httpx2.Response(200, json=keys if "jwks" in str(request.url) else document)

    findings = Findings()
    assert await check_tenant(fetching(answer), ISSUER, API, findings) is not None
    found = {name: mark for name, mark in marks(findings).items() if name in ("discovery", "issuer", "pkce", "keys")}
    assert {name for name, mark in found.items() if mark is Mark.WRONG} == {check}


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
async def test_each_fault_of_the_server_is_found(status: int, headers: dict[str, str], check: str) -> None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        if request.method == "POST":
            return httpx2.Response(status, headers=headers)
        return httpx2.Response(200, json={"resource": API, "authorization_servers": [ISSUER]})

    findings = Findings()
    assert await check_server(fetching(answer), API, ISSUER, findings) is not None
    assert [name for name, mark in marks(findings).items() if mark is Mark.WRONG] == [check]


async def test_similar_identifiers_differ_in_the_final_slash_or_the_scheme() -> None:
    assert list(similar_identifiers("https://x.example/")) == ["https://x.example", "http://x.example/"]
    assert list(similar_identifiers("urn:api")) == ["urn:api/"]


def with_ready_token(tmp_path: Path, claims: dict[str, object] | None, **header: str) -> tuple[Settings, Account]:
    """The settings and the account of an agent with a ready token."""
    parts = [{"alg": "RS256", "kid": "one", "typ": "at+jwt", **header}, claims]
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts]
    token = ".".join([*encoded, "AAAA"]) if claims is not None else "e30..x.y.z"
    settings = load_settings(
        mcp_public_url=API,
        auth0_issuer=ISSUER,
        auth0_client_id="the-client",
        gatehouse_token=token,
        gatehouse_home=tmp_path,
        gatehouse_keyring=False,
    )
    return settings, Account.from_settings(settings, lambda _: None, Trace())


async def check_sign_in(fetch: Fetcher, settings: Settings, account: Account, keys: Keys, findings: Findings) -> None:
    grant = await check_stored_sign_in(account, settings.mcp_public_url, findings)
    assert grant is not None
    await check_access_token(
        fetch, settings, grant, settings.mcp_public_url, account.options.issuer or "", keys, findings
    )


GOOD = {"iss": ISSUER, "aud": [API], "sub": "auth0|1", "scope": "access:mcp", "permissions": ["access:mcp"]}


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
async def test_each_fault_of_a_token_is_found(tmp_path: Path, claims: dict[str, object] | None, check: str) -> None:
    settings, account = with_ready_token(tmp_path, claims)
    findings = Findings()
    fetch = fetching(lambda _: httpx2.Response(200))
    await check_sign_in(fetch, settings, account, {}, findings)
    assert [name for name, mark in marks(findings).items() if mark is Mark.WRONG] == [check]


@pytest.mark.parametrize(
    ("header", "check"),
    [({"alg": "HS256"}, "token-algorithm"), ({"kid": "two"}, "token-signature"), ({}, "token-signature")],
)
async def test_a_signature_that_does_not_match_the_published_keys_is_found(
    tmp_path: Path, header: dict[str, str], check: str
) -> None:
    settings, account = with_ready_token(tmp_path, GOOD, **header)
    public = RSAKey.generate_key(2048, {"kid": "one"}).as_dict(private=False)
    findings = Findings()
    fetch = fetching(lambda _: httpx2.Response(200))
    await check_sign_in(fetch, settings, account, {"one": public}, findings)
    assert [name for name, mark in marks(findings).items() if mark is Mark.WRONG] == [check]


@pytest.mark.parametrize(
    ("status", "with_origin", "check"), [(421, 421, "hosts"), (200, 403, "hosts"), (401, 401, "accepted")]
)
async def test_a_server_that_refuses_the_token_the_host_or_the_origin_is_found(
    tmp_path: Path, status: int, with_origin: int, check: str
) -> None:
    settings, account = with_ready_token(tmp_path, GOOD)
    findings = Findings()
    fetch = fetching(lambda request: httpx2.Response(with_origin if "origin" in request.headers else status))
    await check_sign_in(fetch, settings, account, {}, findings)
    assert [name for name, mark in marks(findings).items() if mark is Mark.WRONG] == [check]


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
    findings = Findings()
    assert asyncio.run(check_stored_sign_in(account, stack.server, findings)) is not None
    finding = found_of(findings)["refresh-token"]
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
def test_an_expired_sign_in_is_reported_once_and_not_judged(
    stack: FakeStack, command: Command, refusal: tuple[int, str] | None, mark: Mark, expected: str, advice: str
) -> None:
    account = signed_in(stack, command, expires_at=1.0, **({} if refusal else {"refresh_token": None}))
    if refusal is not None:
        stack.token_answer = (refusal[0], {"error": refusal[1]})
    findings = Findings()
    assert asyncio.run(check_stored_sign_in(account, stack.server, findings)) is None
    found = found_of(findings)
    assert (found["refresh-token"].mark, expected in found["refresh-token"].seen) == (mark, True)
    others = {check: finding for check, finding in found.items() if check != "refresh-token"}
    assert {finding.mark for finding in others.values()} == {Mark.UNKNOWN}
    assert [check for check, finding in others.items() if advice in finding.seen] == ["token"]
    assert others["token"].seen.startswith("the sign-in expired at 1970-01-01")


def test_an_expired_sign_in_that_can_be_refreshed_is_checked_as_a_current_one(
    stack: FakeStack, command: Command
) -> None:
    account = signed_in(stack, command, expires_at=1.0)
    findings = Findings()
    grant = asyncio.run(check_stored_sign_in(account, stack.server, findings))
    assert grant is not None
    assert grant.is_alive(time.time())
    assert set(found_of(findings)) == {"refresh-token"}


def signed_in(stack: FakeStack, command: Command, **changes: object) -> Account:
    """The account of a signed-in person; `changes` replace values of the stored sign-in."""
    assert command("login").exit_code == 0
    account = Account.from_settings(load_settings(), lambda _: None, Trace())
    stored = account.store.load(stack.server)
    assert stored is not None
    account.store.save(stored.model_copy(update=changes))
    return account


def found_of(findings: Findings) -> dict[str, Finding]:
    """The findings of the checks that ran."""
    return {finding.check: finding for finding in findings.all() if finding.seen != "not checked"}
