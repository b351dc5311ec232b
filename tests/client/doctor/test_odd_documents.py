"""Everything that a server, a tenant and a token can say to the doctor: never a traceback."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatehouse_client.doctor.findings import Mark
from tests.client.doctor.test_misconfigurations import PLACEHOLDERS
from tests.client.doctor.web import API, GOOD, ISSUER, METADATA, Answer, Web, redirected, signed
from tests.client.fake_stack import FakeStack
from tests.client.mcp.odd_answers import ANSWERS, ANY_JSON, HEADERS, TEXTS, running_odd_server, usually
from tests.client.run_command import Command
from tests.support.fuzzing import fuzz

pytestmark = pytest.mark.anyio

URLS = st.sampled_from([API, ISSUER, f"{ISSUER}jwks", f"{API}/", "http://10.0.0.1/", "https://[::1", "urn:x"]) | TEXTS
LISTS = st.lists(URLS | ANY_JSON, max_size=3)
RESOURCE = usually(
    {"resource": st.just(API) | URLS, "authorization_servers": st.just([ISSUER]) | LISTS}, {"scopes_supported": LISTS}
)
ENDPOINTS = ("registration_endpoint", "revocation_endpoint", "device_authorization_endpoint", "jwks_uri")
TENANT = usually(
    {
        "issuer": st.just(ISSUER) | URLS,
        "authorization_endpoint": st.just(f"{ISSUER}authorize") | URLS,
        "token_endpoint": st.just(f"{ISSUER}oauth/token") | URLS,
    },
    {
        **dict.fromkeys(ENDPOINTS, URLS),
        "code_challenge_methods_supported": st.just(["S256"]) | LISTS,
        "token_endpoint_auth_methods_supported": LISTS,
        "client_id_metadata_document_supported": ANY_JSON,
    },
)
KEYS = usually(
    {"keys": st.lists(usually({"kty": st.just("RSA")}, {"kid": st.just("one"), "n": TEXTS, "e": TEXTS}))}, {}
)
ERRORS = usually(
    {"error": st.sampled_from(["login_required", "invalid_grant", "access_denied", "invalid_client"]) | TEXTS},
    {"error_description": st.sampled_from(["Unknown client: x", "Service not found: x"]) | TEXTS},
)
TOKENS = usually({"access_token": st.just("a.b.c") | TEXTS, "token_type": st.just("Bearer")}, {"scope": TEXTS})
DATES = st.dictionaries(st.just("date"), st.sampled_from(["", "Mon, 01 Jan 0001 00:00:00 GMT", "9" * 30]), max_size=1)
CHALLENGES = st.dictionaries(
    st.just("www-authenticate"),
    st.sampled_from([f'Bearer resource_metadata="{METADATA}"', "Bearer", 'Bearer resource_metadata="https://[::1"']),
    max_size=1,
)
ALL_HEADERS = st.tuples(HEADERS, DATES, CHALLENGES).map(lambda each: {**each[0], **each[1], **each[2]})
BODIES: dict[str, Any] = {
    "/mcp": ANY_JSON,
    "/.well-known/oauth-protected-resource/mcp": RESOURCE | ANY_JSON,
    "/.well-known/oauth-authorization-server": TENANT | ANY_JSON,
    "/jwks": KEYS | ANY_JSON,
    "/authorize": ERRORS | ANY_JSON,
    "/oauth/token": ERRORS | TOKENS | ANY_JSON,
    "/oauth/device/code": ERRORS | ANY_JSON,
    "/oidc/register": ERRORS | ANY_JSON,
}
STATUSES = st.sampled_from([200, 201, 302, 400, 401, 403, 404, 421, 429, 500])
ODD = st.fixed_dictionaries(
    {},
    optional={
        path: st.tuples(
            STATUSES, bodies, st.builds(lambda *each: {**each[0], **each[1], **each[2]}, HEADERS, DATES, CHALLENGES)
        )
        for path, bodies in BODIES.items()
    },
)
CLAIMS = st.none() | st.fixed_dictionaries({}, optional=dict.fromkeys((*GOOD, "iat", "exp"), ANY_JSON)).map(
    lambda odd: {**GOOD, **odd}
)


def answer(status: int, body: object, headers: dict[str, str]) -> Answer:
    def respond(request: httpx2.Request) -> httpx2.Response:
        if request.url.path == "/authorize" and status == 302 and isinstance(body, dict):
            return redirected(str(body.get("error")), str(body.get("error_description")))
        encoded = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
        return httpx2.Response(status, content=json.dumps(body).encode(), headers=encoded)

    return respond


@fuzz(30)
@given(odd=ODD, claims=CLAIMS, way=st.sampled_from(["auto", "device", "machine", "assertion"]))
async def test_no_document_is_a_traceback(
    web: Web, odd: dict[str, tuple[int, object, dict[str, str]]], claims: dict[str, object] | None, way: str
) -> None:
    web.answers = {path: answer(*values) for path, values in odd.items()}
    token = {} if claims is None else {"gatehouse_token": signed(claims)}
    found = await web.found(gatehouse_sign_in=way, gatehouse_assertion="a.b.c", auth0_client_secret="s", **token)
    for finding in found.values():
        shown = "\n".join([finding.seen, *finding.fixes().values()])
        assert not set("\x1b\x9b\u202e") & set(shown)
        assert finding.mark is not Mark.WRONG or not PLACEHOLDERS.search(shown)


@fuzz(15)
@given(answers=ANSWERS, headers=HEADERS)
def test_no_answer_of_a_server_is_a_traceback(
    stack: FakeStack, command: Command, answers: dict[str, Any], headers: dict[str, str]
) -> None:
    with running_odd_server() as server:
        server.answers, server.headers = answers, headers
        result = command("doctor", "--json", MCP_PUBLIC_URL=server.url, AUTH0_ISSUER=stack.issuer)
    assert result.exit_code in range(6)
    json.loads(result.stdout)
