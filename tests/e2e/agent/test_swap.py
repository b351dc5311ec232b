"""The swap drill: the stack set up by `.env` alone, as for a real tenant, against another tenant under TLS.

The other tenant is an offline one under another host name than the first, with a domain, a CA, an application, ids,
secrets and people of its own. Neither server nor agent is told so.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest
import trustme

from tests.support.free_ports import free_ports
from tests.support.processes import OURS, ROOT, OfflineStack, wait_for
from tests.support.stack import SCRIPTED_BROWSER, Stack

CLIENT_ID = "TheApplicationOfTheOtherTenant01"
CLIENT_SECRET = "a-secret-that-the-other-tenant-has-issued-and-nobody-else-knows-of"
PEOPLE = {"carol@example.org": "Lighthouse-3", "dave@example.org": "Harbour-4"}
OFFLINE = f"""
clients:
  Gatehouse agent:
    client_id: {CLIENT_ID}
    client_secret: {CLIENT_SECRET}
users:
  - email: carol@example.org
    user_id: auth0|65ca401000000000000000c1
    password: {PEOPLE["carol@example.org"]}
    roles: [mcp-user]
  - email: dave@example.org
    user_id: auth0|65da4e0000000000000000d1
    password: {PEOPLE["dave@example.org"]}
    roles: []
"""


@dataclass(frozen=True)
class Swapped:
    """A stack in whose folder only `.env` says where things are."""

    folder: Path
    domain: str
    mcp_url: str
    authority: Path

    @property
    def environment(self) -> dict[str, str]:
        """A process's environment: nothing of ours but the authority that a real tenant's certificate needs not."""
        ours = (*OURS, "OAUTH_", "GATEHOUSE_", "COMPOSE_", "OIDC_")
        plain = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        return {**plain, "AUTH0_CA_FILE": str(self.authority)}

    def gatehouse(self, *arguments: str, user: str = "carol@example.org") -> subprocess.CompletedProcess[str]:
        person = {"ROBOT_USER": user, "ROBOT_PASSWORD": PEOPLE[user], "BROWSER": SCRIPTED_BROWSER}
        home = {"GATEHOUSE_HOME": str(self.folder / user), "GATEHOUSE_KEYRING": "0"}
        return subprocess.run(
            [sys.executable, "-m", "gatehouse_client", *arguments],
            env={**self.environment, **person, **home},
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
            stdin=subprocess.DEVNULL,
        )


def swapped_env(changes: dict[str, str]) -> str:
    """`.env.example` with the lines changed that the documentation says to change."""
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    for name, value in changes.items():
        text, count = re.subn(rf"^(# )?{name}=.*$", f"{name}={value}", text, flags=re.MULTILINE)
        assert count == 1, name
    return text


@pytest.fixture(scope="module")
def swapped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Swapped]:
    """Both running: the other tenant on https://127.0.0.1:PORT/, and a server that knows of it by `.env` only."""
    tenant_folder, folder = tmp_path_factory.mktemp("other-tenant"), tmp_path_factory.mktemp("swapped")
    mcp, plain, tls, callback = free_ports(4)
    stack = OfflineStack(tenant_folder, mcp, plain, callback)
    domain = f"127.0.0.1:{tls}"
    (tenant_folder / "offline.yaml").write_text(OFFLINE, encoding="utf-8")
    of_tenant = {
        "MOCK_IDP_OFFLINE": str(tenant_folder / "offline.yaml"),
        "MOCK_IDP_TLS_PORT": str(tls),
        "MOCK_IDP_TLS_ISSUER": f"https://{domain}/",
        "MOCK_IDP_CONTROL": "false",
    }
    env = swapped_env(
        {
            "COMPOSE_PROFILES": "",
            "AUTH0_DOMAIN": domain,
            "AUTH0_ISSUER": "",
            "AUTH0_CLIENT_ID": CLIENT_ID,
            "AUTH0_CLIENT_SECRET": CLIENT_SECRET,
            "AUTH0_AUDIENCE": stack.mcp_url,
            "EXCHANGE_CLIENT_ID": "",
            "EXCHANGE_CLIENT_SECRET": "",
            "MCP_PORT": str(mcp),
            "MCP_PUBLIC_URL": stack.mcp_url,
            "OAUTH_CALLBACK_URI": f"http://localhost:{callback}/callback",
            "OAUTH_CALLBACK_PORT": str(callback),
        }
    )
    (folder / ".env").write_text(env, encoding="utf-8")
    with stack.tenant(**of_tenant):
        running = Swapped(folder, domain, stack.mcp_url, tenant_folder / "keys" / "ca.pem")
        with (folder / "server.log").open("wb") as log:
            server = subprocess.Popen(
                [sys.executable, "-m", "gatehouse_server"], env=running.environment, cwd=folder, stdout=log, stderr=log
            )
        try:
            wait_for(f"http://localhost:{mcp}/readyz", 200, server)
            yield running
        finally:
            server.terminate()
            server.wait(timeout=15)


def test_the_server_names_the_other_tenant(swapped: Swapped) -> None:
    refused = httpx2.post(swapped.mcp_url, json={"jsonrpc": "2.0", "id": 1, "method": "ping"})
    assert refused.status_code == 401
    named = re.search(r'resource_metadata="([^"]+)"', refused.headers["www-authenticate"])
    assert named is not None
    assert httpx2.get(named[1]).json()["authorization_servers"] == [f"https://{swapped.domain}/"]


def test_a_person_of_the_other_tenant_signs_in_and_calls(swapped: Swapped) -> None:
    signed_in = swapped.gatehouse("login")
    assert signed_in.returncode == 0, signed_in.stderr
    called = swapped.gatehouse(
        "call", "convert_time", "time=2026-07-28T12:00", "from_timezone=UTC", "to_timezone=Asia/Tokyo"
    )
    assert called.returncode == 0, called.stderr
    assert "21:00" in called.stdout


def test_a_person_without_a_role_is_refused(swapped: Swapped) -> None:
    refused = swapped.gatehouse("call", "get_time", user="dave@example.org")
    assert refused.returncode == 4, refused.stderr
    assert "access:mcp is missing" in refused.stderr


def test_a_token_of_the_first_tenant_is_refused(swapped: Swapped, stack: Stack) -> None:
    token = stack.mint(claims={"aud": swapped.mcp_url})
    headers = {"Authorization": f"Bearer {token}"}
    answer = httpx2.post(swapped.mcp_url, headers=headers, json={"jsonrpc": "2.0", "id": 1, "method": "ping"})
    assert answer.status_code == 401
    assert "the issuer does not publish" in answer.json()["error_description"]


def test_the_doctor_finds_nothing_wrong(swapped: Swapped) -> None:
    assert swapped.gatehouse("login").returncode == 0
    examined = swapped.gatehouse("doctor", "--register")
    assert examined.returncode == 0, examined.stdout
    assert f"✓ tls                   {swapped.domain}" in examined.stdout


def test_without_its_authority_the_agent_says_what_to_do(swapped: Swapped, tmp_path: Path) -> None:
    other = tmp_path / "other.pem"
    other.write_bytes(trustme.CA().cert_pem.bytes())
    stranger = Swapped(swapped.folder, swapped.domain, swapped.mcp_url, other)
    examined = stranger.gatehouse("doctor", user="dave@example.org")
    assert examined.returncode == 1
    assert "✗ tls" in examined.stdout
    assert "AUTH0_CA_FILE" in examined.stdout
    refused = stranger.gatehouse("login", "--force", user="dave@example.org")
    assert refused.returncode == 5
    assert "gatehouse doctor --explain tls" in refused.stderr
