"""Attacks on the agent: hostile servers and tenants, two issuers, and foreign pages that call its callback."""

from __future__ import annotations

import json
import shlex
import sys
import webbrowser
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx2
import pytest

from gatehouse_client.signin.http import fetch
from tests.client.run_command import Command
from tests.security.attacks.browser import Browser
from tests.security.attacks.hostile_parties import (
    ISSUER,
    RESOURCE,
    HostileParty,
    document,
    hostile_party,
    redirect,
    slow_party,
)
from tests.security.server_process import ServerProcess
from tests.support.free_ports import free_port
from tests.support.stack import DEMO_CLIENT, SCRIPTED_BROWSER, LocalStack, Stack

SIGN_IN_FAILED, UNREACHABLE = 3, 5
IMPATIENT = shlex.join([sys.executable, str(Path(__file__).with_name("impatient_browser.py"))]) + " %s &"
NO_CLIENT = {"AUTH0_CLIENT_ID": "", "AUTH0_CLIENT_SECRET": "", "AUTH0_AUDIENCE": "", "AUTH0_DOMAIN": ""}


@pytest.fixture
def evil() -> Iterator[HostileParty]:
    with hostile_party() as party:
        party.challenges()
        party.answers[ISSUER] = lambda _: document(party.metadata())
        party.answers["/register"] = lambda _: document({"client_id": "from-evil"}, 201)
        party.answers["/token"] = lambda _: document({"access_token": "evil-token", "token_type": "Bearer"})
        yield party


def at(stack: Stack, url: str, **variables: str) -> Stack:
    """The agent's settings with another server."""
    return replace(stack, variables={**stack.variables, "MCP_PUBLIC_URL": url, **variables})


def test_a_foreign_page_can_neither_end_nor_replace_a_sign_in(
    tenant: LocalStack, server: ServerProcess, tmp_path: Path
) -> None:
    """CSRF on the callback, and injection of a code of the attacker's own sign-in."""
    attacker = Browser(tenant).sign_in("bob@example.com")
    answers = [
        urlencode({"code": attacker["code"], "state": attacker["state"]}),
        urlencode({"code": attacker["code"]}),
        urlencode({"code": attacker["code"], "state": ""}),
        urlencode([("code", attacker["code"]), ("state", "a"), ("state", "b")]),
        urlencode({"error": "access_denied", "state": "guess"}),
        urlencode({"error": "access_denied"}),
        "",
    ]
    statuses = tmp_path / "statuses"
    variables = {"HOSTILE_ANSWERS": json.dumps(answers), "CALLBACK_STATUS": str(statuses)}
    agent = at(tenant, server.stack.mcp_url, AUTH0_AUDIENCE=tenant.audience)
    done = agent.gatehouse("login", home=tmp_path, browser=IMPATIENT, **variables)
    assert done.returncode == 0, done.stderr
    seen = statuses.read_text(encoding="utf-8").splitlines()
    assert len(seen) == len(answers)
    assert {int(status) // 100 for status in seen} == {4}
    whoami = agent.gatehouse("whoami", home=tmp_path, browser="false")
    assert "auth0|65a11ce00000000000000001" in whoami.stdout, "alice signed in, not the attacker"


def test_a_code_of_one_issuer_is_never_sent_to_another(tenant: LocalStack, evil: HostileParty, tmp_path: Path) -> None:
    """Mix-up (RFC 9207, RFC 9700 section 4.4): the attacker's tenant sends the browser to the honest one.

    The attacker registers a client with the agent's callback at the honest tenant and gives its id to the agent. The
    person signs in at the honest tenant, and the code reaches the agent, which believes that it is the attacker's.
    """
    callback = tenant.variables["OAUTH_CALLBACK_URI"]
    honest = httpx2.post(
        f"{tenant.issuer}oidc/register",
        json={"client_name": "Agent", "redirect_uris": [callback], "token_endpoint_auth_method": "none"},
    ).json()["client_id"]
    browsers: list[str] = []

    def forward(path: str) -> tuple[int, dict[str, str], bytes]:
        sent = {**dict(parse_qsl(urlsplit(path).query)), "resource": tenant.audience, "audience": tenant.audience}
        browsers.append(f"{tenant.issuer}authorize?{urlencode(sent)}")
        return redirect(browsers[-1])

    evil.answers["/authorize"] = forward
    evil.answers["/register"] = lambda _: document({"client_id": honest}, 201)
    done = at(tenant, evil.mcp_url, **NO_CLIENT).gatehouse("login", home=tmp_path, browser=SCRIPTED_BROWSER)
    assert done.returncode == SIGN_IN_FAILED, done.stdout + done.stderr
    assert "RFC 9207" in done.stderr
    assert browsers, "the attack did not take place"
    assert "/token" not in evil.paths("POST"), "the code and its verifier reached the attacker"


def test_credentials_go_to_no_other_issuer(tenant: LocalStack, evil: HostileParty, tmp_path: Path) -> None:
    done = at(tenant, evil.mcp_url, AUTH0_ISSUER=tenant.issuer).gatehouse("login", home=tmp_path, browser="false")
    assert done.returncode != 0
    assert not any(secret in evil.everything() for secret in DEMO_CLIENT.values())
    assert set(evil.paths("GET")) <= {"/mcp", RESOURCE}


def test_a_token_goes_to_no_other_server(
    tenant: LocalStack, server: ServerProcess, evil: HostileParty, tmp_path: Path
) -> None:
    """The agent is signed in at one server, and then asks another one."""
    agent = at(tenant, server.stack.mcp_url, AUTH0_AUDIENCE=tenant.audience)
    assert agent.gatehouse("login", home=tmp_path).returncode == 0
    evil.answers[RESOURCE] = lambda _: document({"resource": evil.mcp_url, "authorization_servers": [tenant.issuer]})
    variables = {"AUTH0_AUDIENCE": "", "OAUTH_CALLBACK_TIMEOUT": "1"}
    done = at(agent, evil.mcp_url, **variables).gatehouse("tools", home=tmp_path, browser="false")
    assert done.returncode != 0
    assert "Bearer " not in evil.everything()
    assert "authorization" not in evil.everything().lower().replace("oauth-authorization", "")


Poison = Callable[[HostileParty], None]


def _issuer(**changes: object) -> Poison:
    def poison(evil: HostileParty) -> None:
        evil.answers[ISSUER] = lambda _: document(evil.metadata(**changes))

    return poison


def _resource(**changes: object) -> Poison:
    def poison(evil: HostileParty) -> None:
        right = {"resource": evil.mcp_url, "authorization_servers": [evil.issuer]}
        evil.answers[RESOURCE] = lambda _: document({**right, **changes})

    return poison


def _body(path: str, body: bytes) -> Poison:
    def poison(evil: HostileParty) -> None:
        evil.answers[path] = lambda _: (200, {"Content-Type": "application/json"}, body)

    return poison


def _elsewhere(url: str) -> Poison:
    def poison(evil: HostileParty) -> None:
        evil.challenges(metadata=url)

    return poison


POISONS: dict[str, Poison] = {
    "the token endpoint is not https": _issuer(token_endpoint="http://evil.example.com/token"),
    "the token endpoint is a file": _issuer(token_endpoint="file:///etc/passwd"),
    "the token endpoint is the metadata service of a cloud": _issuer(token_endpoint="http://169.254.169.254/latest/"),
    "the token endpoint has userinfo": _issuer(token_endpoint="https://localhost@evil.example.com/token"),
    "the authorization endpoint is a script": _issuer(authorization_endpoint="javascript:alert(1)"),
    "the authorization endpoint is a program": _issuer(authorization_endpoint="calculator://run"),
    "the authorization endpoint is a command": _issuer(authorization_endpoint="-e https://localhost/"),
    "the registration endpoint is inside": _issuer(registration_endpoint="http://10.0.0.1/register"),
    "another issuer": _issuer(issuer="https://honest.example.com/"),
    "an issuer without the slash": lambda evil: _issuer(issuer=evil.origin)(evil),
    "no PKCE": _issuer(code_challenge_methods_supported=["plain"]),
    "PKCE in small letters": _issuer(code_challenge_methods_supported=["s256"]),
    "no list of PKCE methods": _issuer(code_challenge_methods_supported=None),
    "endpoints that are lists": _issuer(token_endpoint=["https://evil.example.com/token"]),
    "another resource": _resource(resource="https://honest.example.com/mcp"),
    "a resource that begins alike": lambda evil: _resource(resource=f"{evil.mcp_url}.evil.example.com")(evil),
    "an authorization server inside": _resource(authorization_servers=["http://169.254.169.254/"]),
    "an authorization server in the intranet": _resource(authorization_servers=["http://192.168.0.1/"]),
    "an authorization server that is not https": _resource(authorization_servers=["http://evil.example.com/"]),
    "no authorization server": _resource(authorization_servers=[]),
    "metadata at the metadata service of a cloud": _elsewhere("http://169.254.169.254/latest/meta-data/"),
    "metadata in a file": _elsewhere("file:///etc/passwd"),
    "metadata at a socket of Docker": _elsewhere("unix:///var/run/docker.sock"),
    "metadata behind a redirect to another host": lambda evil: evil.answers.update(
        {RESOURCE: lambda _: redirect("http://169.254.169.254/latest/")}
    ),
    "metadata that is huge": _body(ISSUER, b'{"issuer": "' + b"x" * 1_000_000 + b'"}'),
    "metadata that is deep": _body(ISSUER, b"[" * 100_000 + b"]" * 100_000),
    "metadata with a number that is huge": _body(ISSUER, b'{"issuer": ' + b"9" * 100_000 + b"}"),
    "metadata that is no text": _body(RESOURCE, b"\xff\xfe\x00{"),
    "metadata that is a list": _body(RESOURCE, b'["https://evil.example.com/"]'),
    "a name with an escape sequence": _issuer(issuer="https://x/\x1b]0;pwned\x07\x1b[2J"),
}


@dataclass
class Agent:
    """The agent without an application, in the test process. `opened` are the addresses that a browser opened."""

    command: Command
    opened: list[str]


@pytest.fixture
def agent(evil: HostileParty, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Agent:
    variables = {
        "MCP_PUBLIC_URL": evil.mcp_url,
        "OAUTH_CALLBACK_URI": f"http://localhost:{free_port()}/callback",
        "OAUTH_CALLBACK_TIMEOUT": "1",
        "GATEHOUSE_HOME": str(tmp_path / "home"),
        "GATEHOUSE_KEYRING": "0",
    }
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    return Agent(Command(monkeypatch, tmp_path, variables), opened)


@pytest.mark.parametrize("name", POISONS)
def test_poisoned_metadata_ends_the_sign_in_before_anything_is_sent_or_opened(
    evil: HostileParty, agent: Agent, name: str
) -> None:
    POISONS[name](evil)
    done = agent.command("login")
    assert done.exit_code in (SIGN_IN_FAILED, UNREACHABLE), done.output
    assert agent.opened == []
    assert "/token" not in evil.paths("POST")
    assert "\x1b" not in done.output
    assert "Traceback" not in done.output
    assert len(done.output) < 4000


def test_metadata_that_is_right_leads_to_the_browser(evil: HostileParty, agent: Agent) -> None:
    """The other test would hold also for an agent that refuses everything."""
    agent.command("login")
    assert [urlsplit(url).path for url in agent.opened] == ["/authorize"]


def test_metadata_that_never_ends_does_not_hold_the_agent(
    evil: HostileParty, agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A document that comes byte by byte: the whole exchange has a limit, not each byte."""
    monkeypatch.setattr(fetch, "TIMEOUT", 0.5)
    with slow_party() as url:
        evil.answers[RESOURCE] = lambda _: document({"resource": evil.mcp_url, "authorization_servers": [url]})
        done = agent.command("login")
    assert done.exit_code == UNREACHABLE, done.output
    assert "did not answer within" in done.output
