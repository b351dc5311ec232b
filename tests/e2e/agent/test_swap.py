"""Another tenant over TLS: `.env` alone configures server and agent, as for a real tenant.

The other tenant is also an offline tenant. It has its own domain, CA, application, ids, secrets and users.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
import trustme

from tests.e2e.agent.dotenv_stack import PASSWORDS, DotenvStack, dotenv_example
from tests.support.free_ports import free_port
from tests.support.stack import LocalStack, Stack

CLIENT_ID = "TheApplicationOfTheOtherTenant01"
CLIENT_SECRET = "a-secret-that-the-other-tenant-has-issued-and-nobody-else-knows-of"
OFFLINE = f"""
clients:
  Gatehouse agent:
    client_id: {CLIENT_ID}
    client_secret: {CLIENT_SECRET}
users:
  - email: carol@example.org
    user_id: auth0|65ca401000000000000000c1
    password: {PASSWORDS["carol@example.org"]}
    roles: [mcp-user]
  - email: dave@example.org
    user_id: auth0|65da4e0000000000000000d1
    password: {PASSWORDS["dave@example.org"]}
    roles: []
"""


@pytest.fixture(scope="module")
def swapped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DotenvStack]:
    """The other tenant on https://127.0.0.1:PORT/, and a server that only `.env` configures; both run."""
    tenant_folder, folder = tmp_path_factory.mktemp("other-tenant"), tmp_path_factory.mktemp("swapped")
    stack, tls = LocalStack.on_free_ports(tenant_folder, own_keys=True), free_port()
    domain = f"127.0.0.1:{tls}"
    (tenant_folder / "offline.yaml").write_text(OFFLINE, encoding="utf-8")
    of_tenant = {
        "MOCK_IDP_OFFLINE": str(tenant_folder / "offline.yaml"),
        "MOCK_IDP_TLS_PORT": str(tls),
        "MOCK_IDP_TLS_ISSUER": f"https://{domain}/",
        "MOCK_IDP_CONTROL": "false",
    }
    env = dotenv_example(
        {
            "AUTH0_DOMAIN": domain,
            "AUTH0_ISSUER": "",
            "AUTH0_CLIENT_ID": CLIENT_ID,
            "AUTH0_CLIENT_SECRET": CLIENT_SECRET,
            "AUTH0_AUDIENCE": stack.mcp_url,
            "EXCHANGE_CLIENT_ID": "",
            "EXCHANGE_CLIENT_SECRET": "",
            "MCP_PORT": str(stack.mcp_port),
            "MCP_PUBLIC_URL": stack.mcp_url,
            "OAUTH_CALLBACK_URI": f"http://localhost:{stack.callback_port}/callback",
            "OAUTH_CALLBACK_PORT": str(stack.callback_port),
        }
    )
    (folder / ".env").write_text(env, encoding="utf-8")
    running = DotenvStack(folder, domain, stack.mcp_url, tenant_folder / "keys" / "ca.pem")
    with stack.tenant(**of_tenant), running.server():
        yield running


def test_the_servers_metadata_names_the_other_tenant(swapped: DotenvStack) -> None:
    refused = httpx2.post(swapped.mcp_url, json={"jsonrpc": "2.0", "id": 1, "method": "ping"})
    assert refused.status_code == 401
    named = re.search(r'resource_metadata="([^"]+)"', refused.headers["www-authenticate"])
    assert named is not None
    assert httpx2.get(named[1]).json()["authorization_servers"] == [f"https://{swapped.domain}/"]


def test_a_user_of_the_other_tenant_signs_in_and_calls_a_tool(swapped: DotenvStack) -> None:
    signed_in = swapped.gatehouse("login")
    assert signed_in.returncode == 0, signed_in.stderr
    called = swapped.gatehouse(
        "call", "convert_time", "time=2026-07-28T12:00", "from_timezone=UTC", "to_timezone=Asia/Tokyo"
    )
    assert called.returncode == 0, called.stderr
    assert "21:00" in called.stdout


def test_a_user_without_a_role_is_refused(swapped: DotenvStack) -> None:
    refused = swapped.gatehouse("call", "get_time", user="dave@example.org")
    assert refused.returncode == 4, refused.stderr
    assert "access:mcp is missing" in refused.stderr


def test_a_token_of_the_first_tenant_is_refused(swapped: DotenvStack, stack: Stack) -> None:
    token = stack.mint(claims={"aud": swapped.mcp_url})
    headers = {"Authorization": f"Bearer {token}"}
    answer = httpx2.post(swapped.mcp_url, headers=headers, json={"jsonrpc": "2.0", "id": 1, "method": "ping"})
    assert answer.status_code == 401
    assert "the issuer does not publish" in answer.json()["error_description"]


def test_the_doctor_has_no_findings(swapped: DotenvStack) -> None:
    assert swapped.gatehouse("login").returncode == 0
    examined = swapped.gatehouse("doctor", "--register")
    assert examined.returncode == 0, examined.stdout
    assert f"✓ tls                   {swapped.domain}" in examined.stdout


def test_without_the_tenants_ca_the_agent_says_what_to_do(swapped: DotenvStack, tmp_path: Path) -> None:
    other = tmp_path / "other.pem"
    other.write_bytes(trustme.CA().cert_pem.bytes())
    stranger = DotenvStack(swapped.folder, swapped.domain, swapped.mcp_url, other)
    examined = stranger.gatehouse("doctor", user="dave@example.org")
    assert examined.returncode == 1
    assert "✗ tls" in examined.stdout
    assert "AUTH0_CA_FILE" in examined.stdout
    refused = stranger.gatehouse("login", "--force", user="dave@example.org")
    assert refused.returncode == 5
    assert "gatehouse doctor --explain tls" in refused.stderr
