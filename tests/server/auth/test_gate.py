"""The protected app over HTTP: accepted requests, and the answers to refused ones."""

from __future__ import annotations

from functools import partial
from typing import Any

import httpx2
import pytest

from gatehouse_example.app import example_server
from gatehouse_server.app import protect
from gatehouse_server.auth.provider.keys import SigningKeys
from gatehouse_server.auth.streams import Streams
from tests.server.protected_server import protected
from tests.server.token_issuer import JWKS_URL, Issuer, settings

pytestmark = pytest.mark.anyio

LIST = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
HEADERS = {"Accept": "application/json, text/event-stream", "MCP-Protocol-Version": "2025-11-25"}


async def post(server: httpx2.AsyncClient, token: str | None, body: Any = LIST, **headers: str) -> httpx2.Response:
    authorization = {"Authorization": f"Bearer {token}"} if token is not None else {}
    return await server.post("/mcp", headers={**HEADERS, **authorization, **headers}, json=body)


def challenge_of(response: httpx2.Response) -> str:
    return str(response.headers["WWW-Authenticate"])


TOOLS = {"get_time", "convert_time", "whoami", "count_down", "book_room"}
METADATA = 'resource_metadata="http://localhost:5555/.well-known/oauth-protected-resource/mcp"'


async def test_a_good_token_can_list_the_tools(server: httpx2.AsyncClient, issuer: Issuer) -> None:
    answer = await post(server, issuer.token())
    assert answer.status_code == 200, answer.text
    assert {tool["name"] for tool in answer.json()["result"]["tools"]} == TOOLS


@pytest.mark.requirement("S6")
@pytest.mark.requirement("S7")
@pytest.mark.requirement("S8")
async def test_without_credentials_the_challenge_has_no_error(server: httpx2.AsyncClient) -> None:
    refusal = await post(server, None)
    assert refusal.status_code == 401
    assert challenge_of(refusal) == f'Bearer scope="access:mcp", {METADATA}'


@pytest.mark.requirement("S8")
@pytest.mark.parametrize("scheme", ["Basic YWxpY2U6eA==", "DPoP x", "bearerx y", ""])
async def test_credentials_of_another_scheme_are_ignored(server: httpx2.AsyncClient, scheme: str) -> None:
    refusal = await server.post("/mcp", headers={**HEADERS, "Authorization": scheme}, json=LIST)
    assert refusal.status_code == 401
    assert "error=" not in challenge_of(refusal)


@pytest.mark.requirement("S6")
@pytest.mark.requirement("S7")
async def test_the_challenge_for_a_bad_token_has_the_reason(server: httpx2.AsyncClient, issuer: Issuer) -> None:
    refusal = await post(server, issuer.token(exp=1, iat=1))
    assert refusal.status_code == 401
    assert challenge_of(refusal) == (
        f'Bearer error="invalid_token", error_description="The token has expired.", scope="access:mcp", {METADATA}'
    )


async def test_an_error_description_cannot_break_out_of_its_quotes(issuer: Issuer) -> None:
    odd = settings(AUTH0_AUDIENCE='http://x/"\\\r\n, error="none')
    http = httpx2.AsyncClient(transport=httpx2.MockTransport(issuer.handle))
    app = protect(example_server(), odd, keys=SigningKeys(JWKS_URL, "RS256", http=http))
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://localhost:5555") as client:
        refusal = await post(client, issuer.token())
    assert refusal.status_code == 401
    assert challenge_of(refusal).count('"') == 8


@pytest.mark.requirement("S9")
async def test_a_token_without_the_permission_is_forbidden(server: httpx2.AsyncClient, issuer: Issuer) -> None:
    refusal = await post(server, issuer.token(scope="other"))
    assert refusal.status_code == 403
    assert challenge_of(refusal) == (
        'Bearer error="insufficient_scope", error_description="The token lacks the permission access:mcp.",'
        f' scope="access:mcp", {METADATA}'
    )


@pytest.mark.parametrize(
    ("claims", "status"),
    [
        ({"scope": "access:mcp", "permissions": ["access:mcp"]}, 200),
        ({"scope": "access:mcp", "permissions": []}, 403),
        ({"scope": "", "permissions": ["access:mcp"]}, 403),
        ({"scope": None, "permissions": ["access:mcp"]}, 403),
        ({"scope": "access:mcp other"}, 200),
        ({"scope": "ACCESS:MCP"}, 403),
    ],
    ids=str,
)
async def test_scope_is_narrowed_by_permissions(
    server: httpx2.AsyncClient, issuer: Issuer, claims: dict[str, Any], status: int
) -> None:
    assert (await post(server, issuer.token(**claims))).status_code == status


@pytest.mark.requirement("S34")
@pytest.mark.parametrize("value", ["Bearer", "Bearer ", "Bearer a b", "Bearer a,b", "Bearer \xff", "Bearer \x0ca.b.c"])
async def test_a_malformed_bearer_header_is_a_bad_request(server: httpx2.AsyncClient, value: str) -> None:
    refusal = await server.post("/mcp", headers=[(b"authorization", value.encode("latin-1"))], json=LIST)
    assert refusal.status_code == 400
    assert 'error="invalid_request"' in challenge_of(refusal)


@pytest.mark.requirement("S34")
async def test_two_authorization_headers_are_a_bad_request(server: httpx2.AsyncClient, issuer: Issuer) -> None:
    token = issuer.token()
    headers = [*HEADERS.items(), ("Authorization", f"Bearer {token}"), ("Authorization", f"Bearer {token}")]
    assert (await server.post("/mcp", headers=headers, json=LIST)).status_code == 400


@pytest.mark.requirement("S18")
async def test_a_token_in_the_query_is_ignored(server: httpx2.AsyncClient, issuer: Issuer) -> None:
    refusal = await server.post(f"/mcp?access_token={issuer.token()}", headers=HEADERS, json=LIST)
    assert refusal.status_code == 401


@pytest.mark.requirement("S20")
async def test_without_keys_the_answer_is_503_and_not_401(
    server_without_keys: httpx2.AsyncClient, issuer: Issuer
) -> None:
    refusal = await post(server_without_keys, issuer.token())
    assert refusal.status_code == 503
    assert int(refusal.headers["Retry-After"]) >= 1
    assert "WWW-Authenticate" not in refusal.headers


@pytest.mark.parametrize("scheme", ["bEARER", "Bearer  \t"])
async def test_the_case_of_the_scheme_and_the_blanks_after_it_do_not_matter(
    server: httpx2.AsyncClient, issuer: Issuer, scheme: str
) -> None:
    answer = await server.post("/mcp", headers={**HEADERS, "Authorization": f"{scheme} {issuer.token()}"}, json=LIST)
    assert answer.status_code == 200


@pytest.mark.parametrize("path", ["/", "/mcp/x", "/.well-known/openid-configuration", "/register", "/metrics"])
async def test_an_unknown_path_is_not_found(server: httpx2.AsyncClient, path: str) -> None:
    assert (await server.get(path)).status_code == 404


@pytest.mark.requirement("S5")
async def test_a_url_with_a_trailing_slash_answers_like_the_url_without(
    server: httpx2.AsyncClient, issuer: Issuer
) -> None:
    refusal = await server.post("/mcp/", headers=HEADERS, json=LIST)
    assert (refusal.status_code, challenge_of(refusal)) == (401, f'Bearer scope="access:mcp", {METADATA}')
    answer = await server.post("/mcp/", headers={**HEADERS, "Authorization": f"Bearer {issuer.token()}"}, json=LIST)
    assert answer.status_code == 200, answer.text


@pytest.mark.requirement("S5")
@pytest.mark.parametrize("path", ["/.well-known/oauth-protected-resource/mcp", "/.well-known/oauth-protected-resource"])
async def test_the_metadata_is_also_at_its_url_with_a_trailing_slash(server: httpx2.AsyncClient, path: str) -> None:
    assert (await server.get(f"{path}/")).json() == (await server.get(path)).json()


@pytest.mark.parametrize("accept", [{}, {"Accept": ""}, {"Accept": "*/*"}], ids=str)
@pytest.mark.parametrize("revision", ["2025-03-26", "2025-11-25"])
async def test_a_request_without_accept_is_answered(
    issuer: Issuer, server: httpx2.AsyncClient, accept: dict[str, str], revision: str
) -> None:
    headers = {"Authorization": f"Bearer {issuer.token()}", "MCP-Protocol-Version": revision, **accept}
    request = server.build_request("POST", "/mcp", headers=headers, json=LIST)
    if not accept:
        del request.headers["Accept"]
    answer = await server.send(request)
    assert answer.status_code == 200, answer.text


@pytest.mark.requirement("S19")
async def test_a_custom_route_is_behind_the_gate(issuer: Issuer) -> None:
    from starlette.requests import Request
    from starlette.responses import PlainTextResponse

    mcp = example_server()

    @mcp.custom_route("/admin", methods=["GET"])
    async def admin(_: Request) -> PlainTextResponse:
        return PlainTextResponse("inside")

    http = httpx2.AsyncClient(transport=httpx2.MockTransport(issuer.handle))
    app = protect(mcp, settings(), keys=SigningKeys(JWKS_URL, "RS256", http=http))
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://localhost:5555") as client:
        assert (await client.get("/admin")).status_code == 401
        inside = await client.get("/admin", headers={"Authorization": f"Bearer {issuer.token()}"})
        assert inside.text == "inside"


@pytest.mark.requirement("S21")
@pytest.mark.parametrize(
    ("host", "status"), [("localhost:5555", 200), ("evil.example.com", 421), ("localhost.evil.com:80", 421)]
)
async def test_only_known_hosts_are_served(server: httpx2.AsyncClient, issuer: Issuer, host: str, status: int) -> None:
    assert (await post(server, issuer.token(), Host=host)).status_code == status


@pytest.mark.requirement("S21")
@pytest.mark.parametrize(
    ("origin", "status"), [("http://localhost:6274", 200), ("https://evil.example.com", 403), ("null", 403)]
)
async def test_only_known_origins_are_served(
    server: httpx2.AsyncClient, issuer: Issuer, origin: str, status: int
) -> None:
    assert (await post(server, issuer.token(), Origin=origin)).status_code == status


async def test_a_caller_with_too_many_open_streams_is_told_to_close_one(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "gatehouse.audit")
    monkeypatch.setattr("gatehouse_server.composition.Streams", partial(Streams, most=0))
    call = {**LIST, "method": "tools/call", "params": {"name": "get_time", "_meta": {"progressToken": 1}}}
    async with protected(example_server(), issuer.handle) as server:
        refusal = await post(server, issuer.token(), call)
        assert (refusal.status_code, refusal.headers["Retry-After"]) == (429, "10")
        assert '"reason": "too_many_streams"' in caplog.messages[-1]
        assert (await post(server, issuer.token())).status_code == 200, "a request without a stream"


@pytest.mark.requirement("S23")
async def test_a_browser_client_may_send_requests_and_read_the_challenge(server: httpx2.AsyncClient) -> None:
    asked = {"Origin": "http://localhost:6274", "Access-Control-Request-Method": "POST"}
    headers = {
        **asked,
        "Access-Control-Request-Headers": "authorization, content-type, mcp-protocol-version, mcp-method",
    }
    preflight = await server.options("/mcp", headers=headers)
    assert preflight.status_code == 200, preflight.text
    refusal = await server.post("/mcp", headers={"Origin": "http://localhost:6274"}, json=LIST)
    assert refusal.headers["Access-Control-Allow-Origin"] == "http://localhost:6274"
    assert "WWW-Authenticate" in refusal.headers["Access-Control-Expose-Headers"]


@pytest.mark.requirement("S23")
async def test_another_origin_may_not_send_requests(server: httpx2.AsyncClient) -> None:
    headers = {"Origin": "https://evil.example.com", "Access-Control-Request-Method": "POST"}
    preflight = await server.options("/mcp", headers=headers)
    assert "Access-Control-Allow-Origin" not in preflight.headers


@pytest.mark.requirement("S1")
@pytest.mark.requirement("S2")
@pytest.mark.parametrize("path", ["/.well-known/oauth-protected-resource/mcp", "/.well-known/oauth-protected-resource"])
async def test_the_metadata_names_resource_issuer_and_scope(server: httpx2.AsyncClient, path: str) -> None:
    answer = await server.get(path, headers={"Origin": "https://anywhere.example.com"})
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.json() == {
        "resource": "http://localhost:5555/mcp",
        "authorization_servers": ["https://tenant.example.com/"],
        "scopes_supported": ["access:mcp", "time:convert", "time:zones"],
        "bearer_methods_supported": ["header"],
        "resource_name": "Gatehouse MCP server",
    }


async def test_livez_and_readyz_differ_while_the_tenant_is_down(
    server: httpx2.AsyncClient, server_without_keys: httpx2.AsyncClient
) -> None:
    assert (await server.get("/readyz")).status_code == 200
    assert (await server_without_keys.get("/livez")).status_code == 200
    unready = await server_without_keys.get("/readyz")
    assert unready.status_code == 503
    assert JWKS_URL in unready.json()["reason"]
