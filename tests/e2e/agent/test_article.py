"""The article's `.env`, alone: with its own names and API identifier, a tenant over TLS, and a key of Gemini.

The article's tenant has only what its own agent needs. `MCP_PUBLIC_URL`, `MODEL` and the issuer are not set.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.client.agent.fake_model_providers import KEY, Gemini, running_provider
from tests.e2e.agent.dotenv_stack import PASSWORDS, DotenvStack
from tests.support.free_ports import free_ports
from tests.support.tls_tenant import tls_tenant

API = "https://clock.example/api"
SECRET = "the-secret-of-the-clock-agent-that-only-this-tenant-knows"
CAROL = "carol@example.org"
DOTENV = """\
AUTH0_DOMAIN={domain}
AUTH0_CLIENT_ID=ClockAgent000000000000000000000A
AUTH0_CLIENT_SECRET={secret}
AUTH0_AUDIENCE={api}
JWT_ALGORITHM=RS256
MCP_HOST=127.0.0.1
MCP_PORT={mcp}
OAUTH_CALLBACK_URI=http://localhost:{callback}/callback
OAUTH_CALLBACK_PORT={callback}
GEMINI_API_KEY={key}
"""


def tenant_of_the_article(callback: int) -> dict[str, object]:
    return {
        "resourceServers": [
            {
                "name": "Clock API",
                "identifier": API,
                "signing_alg": "RS256",
                "token_dialect": "access_token_authz",
                "enforce_policies": True,
                "allow_offline_access": True,
                "scopes": [{"value": "access:mcp"}],
            }
        ],
        "clients": [
            {
                "name": "Clock agent",
                "app_type": "regular_web",
                "oidc_conformant": True,
                "callbacks": [f"http://localhost:{callback}/callback"],
                "grant_types": ["authorization_code", "refresh_token"],
                "token_endpoint_auth_method": "client_secret_post",
            }
        ],
        "databases": [{"name": "people", "strategy": "auth0", "enabled_clients": ["Clock agent"]}],
        "roles": [
            {
                "name": "clock-user",
                "permissions": [{"permission_name": "access:mcp", "resource_server_identifier": API}],
            }
        ],
    }


@dataclass(frozen=True)
class Article(DotenvStack):
    """The article's stack, with a stand-in for Gemini's API at an address of its own."""

    gemini: str = ""

    @property
    def environment(self) -> dict[str, str]:
        keys = {name for name in super().environment if "_API_KEY" in name or name == "MODEL"}
        plain = {name: each for name, each in super().environment.items() if name not in keys}
        return {**plain, "GOOGLE_GEMINI_BASE_URL": self.gemini}


@pytest.fixture
def gemini() -> Iterator[Gemini]:
    with running_provider(Gemini()) as provider:
        assert isinstance(provider, Gemini)
        yield provider


@pytest.fixture
def article(tmp_path: Path, gemini: Gemini) -> Iterator[Article]:
    mcp, callback = free_ports(2)
    folder = tmp_path / "article"
    folder.mkdir()
    issued = {
        "clients": {"Clock agent": {"client_id": "ClockAgent000000000000000000000A", "client_secret": SECRET}},
        "users": [{"email": CAROL, "password": PASSWORDS[CAROL], "roles": ["clock-user"]}],
    }
    with tls_tenant(tmp_path / "tenant", tenant_of_the_article(callback), issued) as (domain, ca_file):
        text = DOTENV.format(domain=domain, secret=SECRET, api=API, mcp=mcp, callback=callback, key=KEY)
        (folder / ".env").write_text(text, encoding="utf-8")
        stack = Article(folder, domain, f"http://127.0.0.1:{mcp}/mcp", ca_file, gemini.url)
        with stack.server():
            yield stack


def test_the_articles_env_alone_does_what_the_article_does(article: Article, gemini: Gemini) -> None:
    before = article.gatehouse("doctor")
    assert before.returncode == 0, before.stdout + before.stderr
    asked = article.gatehouse("ask", "What time is it in Tokyo?")
    assert asked.returncode == 0, asked.stdout + asked.stderr
    assert "The model is google_genai:gemini-2.5-flash: GEMINI_API_KEY is set, and MODEL is not." in asked.stderr
    assert gemini.keys == [KEY, KEY]
    assert "get_time" in gemini.declared()
    assert "Asia/Tokyo" in asked.stdout
    after = article.gatehouse("doctor", "--others", "--json")
    assert after.returncode == 0, after.stdout
    checks = json.loads(after.stdout)["checks"]
    assert {check["check"]: check["result"] for check in checks}["role"] == "ok"
    wrong = {check["check"] for check in checks if check["result"] == "wrong"}
    assert wrong == {"resource-identifier", "resource-profile", "registration"}
    assert {check["only_for_others"] for check in checks if check["check"] in wrong} == {True}
