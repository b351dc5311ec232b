"""Where secrets must not be: in any output at the most talkative level, in a request to another party, in a `==`."""

from __future__ import annotations

import ast
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import httpx2
import pytest

from tests.security.attacks.browser import Browser
from tests.security.attacks.hostile_parties import HostileParty, document, hostile_party
from tests.security.server_process import HEADERS, LIST
from tests.support.free_ports import free_port
from tests.support.processes import ROOT, TLS, wait_for_status
from tests.support.quick_python import run
from tests.support.scripted_browser import PASSWORDS
from tests.support.stack import CONTROL_TOKEN, DEMO_CLIENT, SERVER_CLIENT, LocalStack

HERE = Path(__file__).parent
STATE_SECRET = "the-secret-of-all-replicas-for-the-state-of-a-request"
MANAGEMENT = {
    "AUTH0_MGMT_CLIENT_ID": "GatehouseSetUpDemoClient00000000",
    "AUTH0_MGMT_CLIENT_SECRET": "demo-secret-of-the-offline-tenant-never-use-it-with-a-real-one-4",
}


@dataclass
class Talkative:
    """A stack whose programs log at DEBUG. `written` are the agent's outputs."""

    stack: LocalStack
    home: Path
    written: str = ""

    def agent(self, *arguments: str, **more: str) -> None:
        """Run the agent with a trace of its requests."""
        more = {"DEBUG_PROGRAM": "gatehouse_client", "PYTHONPATH": str(HERE.parent), **more}
        environment = self.stack.environment(self.home, ROBOT_USER="alice@example.com", **more)
        done = run(
            [sys.executable, "-m", "debug_level", "--trace", *arguments], timeout=90, env=environment, cwd=self.home
        )
        assert done.returncode == 0, done.stderr
        self.written += done.stdout + done.stderr

    def output(self) -> str:
        """All that anything wrote."""
        files = [*self.stack.folder.glob("*.log"), *self.stack.folder.glob("*.out")]
        return self.written + "".join(file.read_text(encoding="utf-8") for file in files)


@pytest.fixture(scope="module")
def talkative(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Talkative]:
    stack = LocalStack.on_free_ports(tmp_path_factory.mktemp("talkative"))
    path = {"PYTHONPATH": str(HERE.parent)}
    with (
        stack.tenant("debug_level", DEBUG_PROGRAM="mock_idp", **path),
        stack.server("debug_level", DEBUG_PROGRAM="gatehouse_server", REQUEST_STATE_SECRET=STATE_SECRET, **path),
    ):
        wait_for_status(f"{stack.origin}/readyz", 200)
        yield Talkative(stack, tmp_path_factory.mktemp("home"))


def stored(home: Path) -> list[str]:
    """The tokens in the agent's files."""
    grants = [json.loads(path.read_text(encoding="utf-8")) for path in home.rglob("*.json")]
    return [grant[name] for grant in grants for name in ("access_token", "refresh_token") if grant.get(name)]


def canaries(secret: str) -> set[str]:
    """The forms in which a secret could be written: as it is, in a URL, and the parts of a JWT."""
    return {secret, quote(secret, safe=""), *(part for part in secret.split(".") if len(part) > 40)}


@pytest.mark.requirement("S25")
def test_no_secret_is_in_any_output_of_any_service_at_debug_level(talkative: Talkative) -> None:
    stack = talkative.stack
    talkative.agent("login")
    tokens = stored(talkative.home)
    assert len(tokens) == 2, "the agent has an access token and a refresh token"
    talkative.agent("call", "list_events")
    talkative.agent("ask", "What time is it in Tokyo?")
    talkative.agent("doctor", **MANAGEMENT)
    browser = Browser(stack)
    code = browser.sign_in()["code"]
    cookies = [str(cookie.value) for cookie in browser.http.cookies.jar]
    answer = browser.redeem(code).json()
    renewed = browser.refresh(answer["refresh_token"]).json()
    minted = [stack.mint(), stack.mint(variant="expired"), stack.mint(header={"kid": "unknown"})]
    for token in minted:
        stack.call(token)
        httpx2.get(f"{stack.mcp_url}?access_token={token}", verify=TLS)
        httpx2.get(f"{stack.issuer}userinfo?access_token={token}", verify=TLS)
    talkative.agent("logout")
    secrets = [
        *(DEMO_CLIENT["AUTH0_CLIENT_SECRET"], SERVER_CLIENT["EXCHANGE_CLIENT_SECRET"]),
        *(MANAGEMENT["AUTH0_MGMT_CLIENT_SECRET"], CONTROL_TOKEN, STATE_SECRET, PASSWORDS["alice@example.com"]),
        *(code, browser.verifier, *cookies, *tokens, *minted),
        *(answer[name] for name in ("access_token", "refresh_token", "id_token")),
        *(renewed[name] for name in ("access_token", "id_token")),
    ]
    output = talkative.output()
    assert "httpcore" in output, "the loggers of the HTTP client are at DEBUG"
    assert "tools/call" in output
    leaked = [found for secret in secrets for found in canaries(secret) if found in output]
    lines = [line[:300] for line in output.splitlines() if any(found in line for found in leaked)]
    assert leaked == [], lines[:10]


@pytest.fixture
def upstream() -> Iterator[HostileParty]:
    with hostile_party() as party:
        party.answers["/mcp"] = lambda _: document({"jsonrpc": "2.0", "id": 1, "result": {"tools": []}})
        yield party


@pytest.mark.requirement("S17")
def test_no_outgoing_request_carries_the_callers_token(
    tenant: LocalStack, upstream: HostileParty, tmp_path: Path
) -> None:
    """Confused deputy: the server behind the gate and the tenant never see the token, wherever it was sent."""
    table = tmp_path / "permissions.yaml"
    table.write_text('tools: {"*": []}\nresources: {"*": []}\nprompts: {"*": []}\n', encoding="utf-8")
    port = free_port()
    variables = {"UPSTREAM_URL": upstream.mcp_url, "PERMISSIONS_FILE": str(table)}
    tenant.control("DELETE", "requests")
    token = tenant.mint()
    url = f"http://localhost:{port}/mcp"
    more = {
        "Cookie": f"token={token}",
        "Proxy-Authorization": f"Bearer {token}",
        "X-Forwarded-Access-Token": token,
        "X-Api-Key": token,
        "Referer": f"http://localhost/?access_token={token}",
    }
    with tenant.server("gatehouse_server", port, **variables):
        for headers in ({}, more):
            sent = {**HEADERS, "Authorization": f"Bearer {token}", **headers}
            answer = httpx2.post(f"{url}?access_token={token}", headers=sent, json=LIST, verify=TLS)
            assert answer.status_code == 200, answer.text
    assert "/mcp" in upstream.paths("POST")
    for found in canaries(token):
        assert found not in upstream.everything()
    seen = tenant.control("GET", "requests").json()["requests"]
    assert [request["path"] for request in seen if request["tokens"]] == []


SECRET_NAMES = (
    "secret",
    "password",
    "token",
    "verifier",
    "challenge",
    "signature",
    "mark",
    "assertion",
    "digest",
    "mac",
)
NO_SECRETS = {
    "token_type",
    "token_endpoint",
    "token_url",
    "token_endpoint_auth_method",
    "code_challenge_method",
    "code_challenge_methods",
    "subject_token_type",
    "requested_token_type",
    "issued_token_type",
    "token_dialect",
    "token_lifetime",
    "assertion_type",
}
REASONS = {
    "refused.access_token == self._newest != self._accepted": "the agent compares its own tokens",
    "current.access_token == self._newest": "as above",
    "one.access_token == other.access_token": "as above",
    "password != form.get('re-enter-password')": "the person typed both",
}
PACKAGES = ("server/src", "client/src", "mock-idp/src")


def compared() -> Iterator[tuple[str, str]]:
    """Each `==`, `!=` and `in` of two values of which one is named like a secret, and its place."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Compare) and any(isinstance(each, ast.Eq | ast.NotEq) for each in node.ops):
                    sides = [node.left, *node.comparators]
                    if any(map(_is_secret, sides)) and not any(map(_is_constant, sides)):
                        yield ast.unparse(node), f"{path.relative_to(ROOT)}:{node.lineno}"


def _is_secret(node: ast.expr) -> bool:
    name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
    return any(word in name.lower() for word in SECRET_NAMES) and name.lower() not in NO_SECRETS


def _is_constant(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) or (isinstance(node, ast.Name) and node.id.isupper())


def test_no_secret_is_compared_in_variable_time() -> None:
    """`==` ends at the first difference, and its time tells how many characters are right. Use hmac.compare_digest."""
    found = dict(compared())
    assert {text: place for text, place in found.items() if text not in REASONS} == {}
    assert set(REASONS) <= set(found), "a reason without its comparison"


def test_the_search_for_comparisons_finds_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "server" / "src").mkdir(parents=True)
    (tmp_path / "server" / "src" / "bad.py").write_text(
        "def f(a, b):\n    return a.client_secret == b\n", encoding="utf-8"
    )
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    assert dict(compared()) == {"a.client_secret == b": f"server{os.sep}src{os.sep}bad.py:2"}
