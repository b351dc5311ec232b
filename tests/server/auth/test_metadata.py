"""The protected resource metadata, and the endpoint that it names."""

from __future__ import annotations

import httpx2
import pytest
from mcp.server.mcpserver import MCPServer

from tests.server.protected_server import ask, protected
from tests.server.token_issuer import Issuer, settings

pytestmark = pytest.mark.anyio


@pytest.mark.requirement("S1")
@pytest.mark.requirement("S2")
@pytest.mark.requirement("S3")
@pytest.mark.requirement("S4")
@pytest.mark.parametrize(
    ("public_url", "document"),
    [
        ("http://localhost:5555/mcp", "/.well-known/oauth-protected-resource/mcp"),
        ("https://host.example.com/api/v1/mcp", "/.well-known/oauth-protected-resource/api/v1/mcp"),
        ("https://host.example.com", "/.well-known/oauth-protected-resource"),
        ("https://host.example.com/", "/.well-known/oauth-protected-resource"),
        ("https://host.example.com/mcp/", "/.well-known/oauth-protected-resource/mcp"),
    ],
)
async def test_the_challenge_links_to_metadata_with_the_exact_url(
    issuer: Issuer, public_url: str, document: str
) -> None:
    config = settings(MCP_PUBLIC_URL=public_url, AUTH0_AUDIENCE="http://localhost:5555/mcp")
    origin = public_url[: public_url.index("/", 8)] if "/" in public_url[8:] else public_url
    async with protected(MCPServer("test"), issuer.handle, config=config) as server:
        server.base_url = origin
        challenge = (await server.post(config.mcp_path)).headers["WWW-Authenticate"]
        found = await server.get(document)
        root = await server.get("/.well-known/oauth-protected-resource")
        answer = await server.post(config.mcp_path, **good_request(issuer))
    assert f'resource_metadata="{origin}{document}"' in challenge
    assert found.json()["resource"] == public_url
    assert found.json()["authorization_servers"] == ["https://tenant.example.com/"]
    assert root.json() == found.json()
    assert answer.status_code == 200, answer.text


def good_request(issuer: Issuer) -> dict[str, object]:
    return {
        "headers": {"Authorization": f"Bearer {issuer.token()}", "Accept": "application/json, text/event-stream"},
        "json": {"jsonrpc": "2.0", "id": 1, "method": "tools/list"},
    }


@pytest.mark.requirement("S5")
def test_the_default_public_url_has_no_trailing_slash() -> None:
    assert settings().public_url == "http://localhost:5555/mcp"


@pytest.mark.requirement("S23")
@pytest.mark.parametrize(
    "header",
    [
        "authorization",
        "content-type",
        "mcp-protocol-version",
        "mcp-method",
        "mcp-name",
        "mcp-param-Region",
        "x-request-id",
    ],
)
async def test_a_web_page_of_an_allowed_origin_may_send_the_header(server: httpx2.AsyncClient, header: str) -> None:
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": header}
    preflight = await server.options("/mcp", headers={"Origin": "http://localhost:6274", **asked})
    assert preflight.status_code == 200, preflight.text
    assert header.lower() in preflight.headers["Access-Control-Allow-Headers"].lower()
    refused = await server.options("/mcp", headers={"Origin": "https://evil.example.com", **asked})
    assert refused.status_code == 400
    assert "Access-Control-Allow-Origin" not in refused.headers


@pytest.mark.requirement("S27")
async def test_no_session_is_created_and_a_session_id_gives_no_access(
    server: httpx2.AsyncClient, issuer: Issuer
) -> None:
    params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}
    answer = await ask(server, issuer.token(), "initialize", params)
    assert answer.status_code == 200
    assert "Mcp-Session-Id" not in answer.headers
    assert (await ask(server, None, Mcp_Session_Id="made-up")).status_code == 401


@pytest.mark.requirement("S29")
async def test_server_discovery_needs_a_token(server: httpx2.AsyncClient, issuer: Issuer) -> None:
    assert (await ask(server, None, "server/discover", era="modern")).status_code == 401
    answer = await ask(server, issuer.token(), "server/discover", era="modern")
    assert "2026-07-28" in answer.json()["result"]["supportedVersions"]


@pytest.mark.requirement("S31")
async def test_headers_of_earlier_revisions_are_ignored_in_the_newest(
    server: httpx2.AsyncClient, issuer: Issuer
) -> None:
    answer = await ask(server, issuer.token(), era="modern", Mcp_Session_Id="made-up", Last_Event_ID="7")
    assert answer.status_code == 200
    for method in ("GET", "DELETE"):
        headers = {"Authorization": f"Bearer {issuer.token()}", "MCP-Protocol-Version": "2026-07-28"}
        assert (await server.request(method, "/mcp", headers=headers)).status_code == 405
