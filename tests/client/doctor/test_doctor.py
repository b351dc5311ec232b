"""What the doctor makes of answers that the offline tenant does not give."""

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
from gatehouse_client.doctor.answers import Asker
from gatehouse_client.doctor.application import see_application, see_token_endpoint, slips
from gatehouse_client.doctor.findings import Finding, Mark, Record
from gatehouse_client.doctor.others import see_profile, see_registration
from gatehouse_client.doctor.server import note, see_certificates, see_clock, see_server
from gatehouse_client.doctor.signin import see_grant, see_stored_sign_in
from gatehouse_client.doctor.tenant import Keys, see_tenant
from gatehouse_client.settings import Settings, load_settings
from gatehouse_client.signin.http.fetch import Fetcher, Reply
from gatehouse_client.signin.http.trace import Trace
from gatehouse_client.signin.protocol.client import OAuthClient
from gatehouse_client.signin.protocol.discovery import AuthorizationServer
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


def marks(record: Record) -> dict[str, Mark]:
    return {finding.check: finding.mark for finding in record.findings()}


def audience_of(request: httpx2.Request) -> str:
    return parse_qs(urlsplit(str(request.url)).query).get("audience", [""])[0]


async def test_a_tenant_that_looks_for_the_person_first_is_not_taken_for_a_healthy_one() -> None:
    record = Record()
    asker = asking(lambda _: redirected("login_required", "Login required"))
    await see_application(asker, "access:mcp", API, record)
    await see_profile(asker, API, record)
    found = marks(record)
    assert found["application"] is found["callback"] is Mark.OK
    assert {found[check] for check in ("connection", "api", "client-grant", "resource-profile")} == {Mark.UNKNOWN}


async def test_the_request_needs_no_person_and_has_all_that_a_sign_in_has() -> None:
    seen: list[dict[str, list[str]]] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append(parse_qs(urlsplit(str(request.url)).query))
        return redirected("login_required", "")

    await see_application(asking(answer), "access:mcp", API, Record())
    assert all(query["prompt"] == ["none"] and query["code_challenge_method"] == ["S256"] for query in seen)
    assert seen[0]["audience"] == [API]


@pytest.mark.parametrize(
    ("identifier", "difference"), [(f"{API}/", "the final slash"), ("http://mcp.example/mcp", "http, not https")]
)
async def test_an_api_with_a_slip_in_its_name_is_named(identifier: str, difference: str) -> None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        asked = audience_of(request)
        if asked == identifier:
            return redirected("login_required", "")
        return redirected("access_denied", f"Service not found: {asked}")

    record = Record()
    await see_application(asking(answer), "access:mcp", API, record)
    api = next(finding for finding in record.findings() if finding.check == "api")
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
    record = Record()
    await see_application(asking(lambda _: httpx2.Response(status, text=body)), "access:mcp", API, record)
    assert [name for name, mark in marks(record).items() if mark is Mark.WRONG] == [check]


async def test_an_answer_that_nobody_knows_is_shown_and_nothing_is_claimed() -> None:
    record = Record()
    await see_application(asking(lambda _: httpx2.Response(200, text="<p>Maintenance</p>")), "access:mcp", API, record)
    application = record.findings()[[finding.check for finding in record.findings()].index("application")]
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
async def test_the_token_endpoint_tells_of_credentials_and_grant_types(
    error: str, status: int, found: tuple[Mark, Mark]
) -> None:
    record = Record()
    asker = asking(lambda _: httpx2.Response(status, json={"error": error}))
    await see_token_endpoint(asker, OAuthClient("the-client", "the-secret"), Settings(), record)
    assert (marks(record)["credentials"], marks(record)["grant-types"]) == found
    assert "the-secret" not in repr(record.findings())


@pytest.mark.parametrize(
    ("status", "mark"), [(400, Mark.OK), (201, Mark.OK), (403, Mark.WRONG), (404, Mark.WRONG), (429, Mark.UNKNOWN)]
)
async def test_registration_is_judged_by_how_it_fails_and_registers_nothing(status: int, mark: Mark) -> None:
    sent: list[bytes] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        sent.append(request.content)
        return httpx2.Response(status, json={"error": "invalid_redirect_uri"})

    record = Record()
    await see_registration(fetching(answer), SERVER, record)
    assert marks(record)["registration"] is mark
    assert b"redirect_uris" not in sent[0]


@pytest.mark.parametrize(("ahead", "mark"), [(0, Mark.OK), (20, Mark.OK), (120, Mark.WRONG), (-120, Mark.WRONG)])
async def test_a_clock_that_is_wrong_is_named(ahead: float, mark: Mark) -> None:
    record = Record()
    headers = httpx2.Headers({"Date": formatdate(time.time() + ahead, usegmt=True)})
    note(record, "the tenant", Reply(ISSUER, 200, headers, b""))
    see_clock(record)
    clock = next(finding for finding in record.findings() if finding.check == "clock")
    assert clock.mark is mark
    assert "the tenant" in clock.seen


async def test_without_dates_and_certificates_nothing_is_claimed() -> None:
    record = Record()
    note(record, "the server", Reply("http://localhost/mcp", 200, httpx2.Headers({"Date": "nonsense"}), b""))
    see_clock(record)
    see_certificates(record)
    assert marks(record)["clock"] is marks(record)["tls"] is Mark.UNKNOWN


async def test_a_certificate_that_is_not_trusted_is_its_own_finding() -> None:
    def refuse(_: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed")

    record = Record()
    await see_server(fetching(refuse), API, ISSUER, record)
    assert await see_tenant(fetching(refuse), ISSUER, API, record) is None
    found = marks(record)
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

    record = Record()
    assert await see_tenant(fetching(answer), ISSUER, API, record) is not None
    found = {name: mark for name, mark in marks(record).items() if name in ("discovery", "issuer", "pkce", "keys")}
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

    record = Record()
    assert await see_server(fetching(answer), API, ISSUER, record) is not None
    assert [name for name, mark in marks(record).items() if mark is Mark.WRONG] == [check]


async def test_slips_are_the_final_slash_and_the_scheme() -> None:
    assert list(slips("https://x.example/")) == ["https://x.example", "http://x.example/"]
    assert list(slips("urn:api")) == ["urn:api/"]


def ready(tmp_path: Path, claims: dict[str, object] | None, **header: str) -> tuple[Settings, Account]:
    """The settings and the account of an agent that was given a token."""
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


async def see_sign_in(fetch: Fetcher, settings: Settings, account: Account, keys: Keys, record: Record) -> None:
    grant = await see_stored_sign_in(account, settings.mcp_public_url, record)
    assert grant is not None
    await see_grant(fetch, settings, grant, settings.mcp_public_url, account.options.issuer or "", keys, record)


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
    settings, account = ready(tmp_path, claims)
    record = Record()
    fetch = fetching(lambda _: httpx2.Response(200))
    await see_sign_in(fetch, settings, account, {}, record)
    assert [name for name, mark in marks(record).items() if mark is Mark.WRONG] == [check]


@pytest.mark.parametrize(
    ("header", "check"),
    [({"alg": "HS256"}, "token-algorithm"), ({"kid": "two"}, "token-signature"), ({}, "token-signature")],
)
async def test_a_signature_that_the_published_keys_do_not_bear_out_is_found(
    tmp_path: Path, header: dict[str, str], check: str
) -> None:
    settings, account = ready(tmp_path, GOOD, **header)
    public = RSAKey.generate_key(2048, {"kid": "one"}).as_dict(private=False)
    record = Record()
    fetch = fetching(lambda _: httpx2.Response(200))
    await see_sign_in(fetch, settings, account, {"one": public}, record)
    assert [name for name, mark in marks(record).items() if mark is Mark.WRONG] == [check]


@pytest.mark.parametrize(
    ("status", "with_origin", "check"), [(421, 421, "hosts"), (200, 403, "hosts"), (401, 401, "accepted")]
)
async def test_a_server_that_does_not_take_the_token_the_host_or_the_origin_is_found(
    tmp_path: Path, status: int, with_origin: int, check: str
) -> None:
    settings, account = ready(tmp_path, GOOD)
    record = Record()
    fetch = fetching(lambda request: httpx2.Response(with_origin if "origin" in request.headers else status))
    await see_sign_in(fetch, settings, account, {}, record)
    assert [name for name, mark in marks(record).items() if mark is Mark.WRONG] == [check]


@pytest.mark.parametrize(
    ("asked", "refresh_token", "answer", "mark", "told"),
    [
        ("access:mcp offline_access", None, None, Mark.WRONG, "not issued"),
        ("access:mcp", None, None, Mark.WRONG, "did not ask"),
        ("offline_access", "r1", 403, Mark.WRONG, "invalid_grant"),
        ("offline_access", "r1", 503, Mark.UNKNOWN, "cannot serve now"),
        ("offline_access", "r1", 200, Mark.OK, "renewed"),
    ],
)
def test_the_refresh_token_is_tried(
    stack: FakeStack, command: Command, asked: str, refresh_token: str | None, answer: int | None, mark: Mark, told: str
) -> None:
    account = signed_in(stack, command, requested_scope=asked, **({} if refresh_token else {"refresh_token": None}))
    if answer not in (None, 200):
        stack.token_answer = (answer or 0, {"error": "invalid_grant"})
    record = Record()
    assert asyncio.run(see_stored_sign_in(account, stack.server, record)) is not None
    finding = found_of(record)["refresh-token"]
    assert finding.mark is mark
    assert told in finding.seen


@pytest.mark.parametrize(
    ("refusal", "mark", "told", "way_out"),
    [
        (None, Mark.UNKNOWN, "ran out", "run `gatehouse login`"),
        ((403, "invalid_grant"), Mark.UNKNOWN, "invalid_grant", "run `gatehouse login`"),
        ((403, "unauthorized_client"), Mark.WRONG, "unauthorized_client", "see refresh-token"),
        ((503, ""), Mark.UNKNOWN, "cannot serve now", "see refresh-token"),
    ],
)
def test_a_sign_in_that_ran_out_is_said_once_and_not_judged(
    stack: FakeStack, command: Command, refusal: tuple[int, str] | None, mark: Mark, told: str, way_out: str
) -> None:
    account = signed_in(stack, command, expires_at=1.0, **({} if refusal else {"refresh_token": None}))
    if refusal is not None:
        stack.token_answer = (refusal[0], {"error": refusal[1]})
    record = Record()
    assert asyncio.run(see_stored_sign_in(account, stack.server, record)) is None
    found = found_of(record)
    assert (found["refresh-token"].mark, told in found["refresh-token"].seen) == (mark, True)
    others = {check: finding for check, finding in found.items() if check != "refresh-token"}
    assert {finding.mark for finding in others.values()} == {Mark.UNKNOWN}
    assert [check for check, finding in others.items() if way_out in finding.seen] == ["token"]
    assert others["token"].seen.startswith("the sign-in ran out at 1970-01-01")


def test_a_sign_in_that_ran_out_and_can_be_renewed_is_as_good_as_new(stack: FakeStack, command: Command) -> None:
    account = signed_in(stack, command, expires_at=1.0)
    record = Record()
    grant = asyncio.run(see_stored_sign_in(account, stack.server, record))
    assert grant is not None
    assert grant.is_alive(time.time())
    assert set(found_of(record)) == {"refresh-token"}


def signed_in(stack: FakeStack, command: Command, **changes: object) -> Account:
    """The account of a person who has signed in, with what is changed in the stored sign-in."""
    assert command("login").exit_code == 0
    account = Account.from_settings(load_settings(), lambda _: None, Trace())
    stored = account.store.load(stack.server)
    assert stored is not None
    account.store.save(stored.model_copy(update=changes))
    return account


def found_of(record: Record) -> dict[str, Finding]:
    """The checks that were made."""
    return {finding.check: finding for finding in record.findings() if finding.seen != "not checked"}
