"""The ways to sign in that need no browser here: device, paste, machine, assertion; and the private window."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import webbrowser
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import anyio
import httpx2
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OKPKey, RSAKey

from gatehouse_client.errors import ConfigurationError, SignInDenied, SignInError, TokenRefused, UnreachableError
from gatehouse_client.signin.flows import browser
from gatehouse_client.signin.flows.assertion import AssertionFlow, EnterpriseAssertion
from gatehouse_client.signin.flows.callback import CallbackAddress
from gatehouse_client.signin.flows.client_credentials import ClientCredentialsFlow
from gatehouse_client.signin.flows.code import CodeFlow
from gatehouse_client.signin.flows.device import DeviceFlow, qr_code
from gatehouse_client.signin.flows.flow import SignInTask
from gatehouse_client.signin.flows.paste import ReadLine, read_stdin_line
from gatehouse_client.signin.http.fetch import Fetcher
from gatehouse_client.signin.http.trace import Trace
from gatehouse_client.signin.protocol.client import OAuthClient, SigningKey
from gatehouse_client.signin.protocol.discovery import AuthorizationServer
from gatehouse_client.signin.protocol.tokens import TokenEndpoint
from tests.client.fake_stack import FakeStack
from tests.client.run_command import Command
from tests.support.free_ports import free_port

pytestmark = pytest.mark.anyio

ISSUER = "https://tenant.example/"
TOKEN = {"access_token": "t0ken", "token_type": "Bearer", "expires_in": 60}
DEVICE = {
    "device_code": "dev1ce",
    "user_code": "WDJB-MJHT",
    "verification_uri": f"{ISSUER}activate",
    "verification_uri_complete": f"{ISSUER}activate?user_code=WDJB-MJHT",
    "expires_in": 900,
    "interval": 5,
}
PENDING = (403, {"error": "authorization_pending", "error_description": "User has yet to authorize device code."})


class Tenant:
    """Answers each POST with the next of `answers`, and all further ones with the last; records the requests."""

    def __init__(self, *answers: tuple[int, Any], client: OAuthClient | None = None, **metadata: object) -> None:
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.headers: list[httpx2.Headers] = []
        self._answers = list(answers)
        document = {
            "issuer": ISSUER,
            "authorization_endpoint": f"{ISSUER}authorize",
            "token_endpoint": f"{ISSUER}oauth/token",
            "device_authorization_endpoint": f"{ISSUER}oauth/device/code",
            **metadata,
        }
        server = AuthorizationServer.model_validate(document)
        self.task = SignInTask(server, client or OAuthClient("id", "s3cret"), "https://mcp.example/mcp", "urn:api", "a")
        self.fetch = Fetcher(transport=httpx2.MockTransport(self._handle))
        self.tokens = TokenEndpoint(self.fetch, lambda: 1000.0)

    def _handle(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append((str(request.url), dict(parse_qsl(request.content.decode()))))
        self.headers.append(request.headers)
        status, document = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        return httpx2.Response(status, json=document)


class Waits:
    """Sleeps without time passing."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)
        await anyio.lowlevel.checkpoint()


def device_way(tenant: Tenant, said: list[str], waits: Waits, *, show_qr: bool = False) -> DeviceFlow:
    return DeviceFlow(tenant.tokens, said.append, show_qr=show_qr, sleep=waits)


async def test_a_device_shows_address_code_and_qr_code_and_waits_for_the_person() -> None:
    tenant, said, waits = Tenant((200, DEVICE), PENDING, PENDING, (200, TOKEN)), list[str](), Waits()
    token = await device_way(tenant, said, waits, show_qr=True).sign_in(tenant.task)
    assert token.access_token == "t0ken"
    assert tenant.asked[0] == (
        f"{ISSUER}oauth/device/code",
        {
            "scope": "a",
            "resource": "https://mcp.example/mcp",
            "audience": "urn:api",
            "client_id": "id",
            "client_secret": "s3cret",
        },
    )
    assert tenant.asked[1][1]["grant_type"] == "urn:ietf:params:oauth:grant-type:device_code"
    assert tenant.asked[1][1]["device_code"] == "dev1ce"
    assert waits.seconds == [5, 5, 5]
    assert said[1:3] == [DEVICE["verification_uri_complete"], qr_code(str(DEVICE["verification_uri_complete"]))]
    assert "WDJB-MJHT" in said[3]
    assert "dev1ce" not in "".join(said)


async def test_slow_down_means_five_seconds_more_from_then_on() -> None:
    slow = (403, {"error": "slow_down"})
    tenant, waits = Tenant((200, DEVICE), PENDING, slow, PENDING, slow, (200, TOKEN)), Waits()
    await device_way(tenant, [], waits).sign_in(tenant.task)
    assert waits.seconds == [5, 5, 10, 10, 15]


async def test_without_an_interval_it_is_five_seconds() -> None:
    document = {name: value for name, value in DEVICE.items() if name != "interval"}
    tenant, waits = Tenant((200, document), (200, TOKEN)), Waits()
    await device_way(tenant, [], waits).sign_in(tenant.task)
    assert waits.seconds == [5]


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        ((403, {"error": "access_denied", "error_description": "User cancelled"}), SignInDenied, "declined"),
        ((403, {"error": "expired_token"}), SignInError, "expired"),
        ((403, {"error": "invalid_grant"}), TokenRefused, "invalid_grant"),
    ],
)
async def test_a_device_sign_in_that_ends_badly_is_a_sentence(
    answer: tuple[int, Any], error: type[Exception], message: str
) -> None:
    tenant = Tenant((200, DEVICE), PENDING, answer)
    with pytest.raises(error, match=message):
        await device_way(tenant, [], Waits()).sign_in(tenant.task)
    assert len(tenant.asked) == 3


async def test_a_tenant_that_is_away_for_a_moment_is_asked_again_and_more_slowly() -> None:
    away = (503, {})
    tenant, waits = Tenant((200, DEVICE), away, away, (200, TOKEN)), Waits()
    assert (await device_way(tenant, [], waits).sign_in(tenant.task)).access_token == "t0ken"
    assert waits.seconds == [5, 10, 20]
    gone = Tenant((200, DEVICE), away)
    with pytest.raises(UnreachableError):
        await device_way(gone, [], Waits()).sign_in(gone.task)


async def test_the_codes_lifetime_ends_the_wait() -> None:
    tenant = Tenant((200, {**DEVICE, "expires_in": 0.05, "interval": 0}), PENDING)
    with pytest.raises(SignInError, match="expired"):
        await DeviceFlow(tenant.tokens, [].append).sign_in(tenant.task)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"verification_uri": "http://evil.example/"}, "https"),
        ({"verification_uri_complete": "javascript:alert(1)"}, "https"),
        ({"expires_in": -1}, "a wrong expires_in"),
        ({"device_code": None}, "a wrong device_code"),
        ({"user_code": "x" * 100}, "a wrong user_code"),
    ],
)
async def test_a_device_answer_that_cannot_be_used_is_named(change: dict[str, Any], message: str) -> None:
    tenant = Tenant((200, {**DEVICE, **change}), (200, TOKEN))
    with pytest.raises(SignInError, match=message):
        await device_way(tenant, [], Waits()).sign_in(tenant.task)
    assert len(tenant.asked) == 1


async def test_a_tenant_without_device_sign_in_is_explained() -> None:
    tenant = Tenant((200, DEVICE), device_authorization_endpoint=None)
    with pytest.raises(ConfigurationError, match=r"does not support the device sign-in.*paste"):
        await device_way(tenant, [], Waits()).sign_in(tenant.task)
    refused = Tenant((403, {"error": "unauthorized_client"}))
    with pytest.raises(TokenRefused, match="Grant Types"):
        await device_way(refused, [], Waits()).sign_in(refused.task)


async def test_a_machine_signs_in_with_its_secret_for_audience_and_resource() -> None:
    tenant = Tenant((200, TOKEN))
    await ClientCredentialsFlow(tenant.tokens).sign_in(tenant.task)
    assert tenant.asked == [
        (
            f"{ISSUER}oauth/token",
            {
                "grant_type": "client_credentials",
                "scope": "a",
                "resource": "https://mcp.example/mcp",
                "audience": "urn:api",
                "client_id": "id",
                "client_secret": "s3cret",
            },
        )
    ]


async def test_a_machine_without_secret_or_key_is_told_what_to_set() -> None:
    tenant = Tenant((200, TOKEN), client=OAuthClient("id"))
    with pytest.raises(ConfigurationError, match="AUTH0_CLIENT_SECRET or AUTH0_CLIENT_PRIVATE_KEY"):
        await ClientCredentialsFlow(tenant.tokens).sign_in(tenant.task)
    assert tenant.asked == []


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        (RSAKey.generate_key(2048), "RS256"),
        (ECKey.generate_key("P-256"), "ES256"),
        (ECKey.generate_key("P-384"), "ES384"),
        (OKPKey.generate_key("Ed25519"), "Ed25519"),
    ],
    ids=["RSA", "P-256", "P-384", "Ed25519"],
)
async def test_a_machine_proves_itself_with_an_assertion_of_its_key(
    key: RSAKey | ECKey | OKPKey, algorithm: str
) -> None:
    signing = SigningKey.from_pem(key.as_pem(private=True).decode())
    tenant = Tenant((200, TOKEN), client=OAuthClient("id", key=signing))
    for _ in range(2):
        await ClientCredentialsFlow(tenant.tokens).sign_in(tenant.task)
    form = tenant.asked[0][1]
    assert form["client_assertion_type"] == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    assert "client_secret" not in form
    first, second = (jwt.decode(asked["client_assertion"], key, algorithms=[algorithm]) for _, asked in tenant.asked)
    assert {name: first.claims[name] for name in ("iss", "sub", "aud", "iat", "exp")} == {
        "iss": "id",
        "sub": "id",
        "aud": ISSUER,
        "iat": 1000,
        "exp": 1060,
    }
    assert first.claims["jti"] != second.claims["jti"]


@pytest.mark.parametrize("pem", ["", "garbage", RSAKey.generate_key(2048).as_pem(private=False).decode()])
def test_what_is_no_private_key_is_refused(pem: str) -> None:
    with pytest.raises(ValueError, match="private key in PEM"):
        SigningKey.from_pem(pem)


async def test_a_method_without_what_it_needs_is_explained() -> None:
    for method, name in (
        ("private_key_jwt", "AUTH0_CLIENT_PRIVATE_KEY"),
        ("client_secret_post", "AUTH0_CLIENT_SECRET"),
    ):
        tenant = Tenant((200, TOKEN), client=OAuthClient("id", method=method))  # type: ignore[arg-type]
        with pytest.raises(ConfigurationError, match=name):
            await ClientCredentialsFlow(tenant.tokens).sign_in(tenant.task)


async def workload_jwt(_: SignInTask) -> str:
    return "w0rkload"


async def test_a_workload_presents_its_jwt_and_takes_a_refusal_as_final() -> None:
    tenant = Tenant((200, TOKEN), client=OAuthClient("id"))
    await AssertionFlow(tenant.tokens, workload_jwt).sign_in(tenant.task)
    form = tenant.asked[0][1]
    assert (form["grant_type"], form["assertion"]) == ("urn:ietf:params:oauth:grant-type:jwt-bearer", "w0rkload")
    assert (form["client_id"], form["resource"]) == ("id", "https://mcp.example/mcp")
    refusing = Tenant((400, {"error": "invalid_grant"}))
    with pytest.raises(TokenRefused) as raised:
        await AssertionFlow(refusing.tokens, workload_jwt).sign_in(refusing.task)
    assert "w0rkload" not in str(raised.value)
    assert len(refusing.asked) == 1


IDP = "https://idp.example/token"
JAG = "urn:ietf:params:oauth:token-type:id-jag"


async def test_the_enterprises_assertion_is_for_this_tenant_and_server() -> None:
    exchanged = (200, {"access_token": "j4g", "issued_token_type": JAG, "token_type": "N_A"})
    tenant = Tenant(exchanged, (200, TOKEN))
    assertion = EnterpriseAssertion(tenant.fetch, IDP, OAuthClient("at-idp"), "id-t0ken")
    await AssertionFlow(tenant.tokens, assertion).sign_in(tenant.task)
    (asked, exchange), (_, redemption) = tenant.asked
    assert asked == IDP
    assert exchange == {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "requested_token_type": JAG,
        "subject_token": "id-t0ken",
        "subject_token_type": "urn:ietf:params:oauth:token-type:id_token",
        "audience": ISSUER,
        "resource": "https://mcp.example/mcp",
        "client_id": "at-idp",
        "scope": "a",
    }
    assert (redemption["assertion"], redemption["client_id"]) == ("j4g", "id")


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ((400, {"error": "invalid_grant"}), r"https://idp\.example/token refused \(invalid_grant\)"),
        ((200, {"access_token": "a", "issued_token_type": "urn:other"}), "identity assertion"),
        ((200, [1]), "identity assertion"),
    ],
)
async def test_an_identity_provider_that_does_not_give_it_is_named(answer: tuple[int, Any], message: str) -> None:
    tenant = Tenant(answer)
    assertion = EnterpriseAssertion(tenant.fetch, IDP, OAuthClient("at-idp"), "id-t0ken")
    with pytest.raises(SignInError, match=message):
        await AssertionFlow(tenant.tokens, assertion).sign_in(tenant.task)
    assert len(tenant.asked) == 1, "nothing was sent to the tenant"


class Person:
    """Pastes lines, one after the other, when asked; `{state}` is replaced by that of the address that was shown."""

    def __init__(self, *lines: str | None) -> None:
        self.said: list[str] = []
        self.asked = anyio.Event()
        self._lines = list(lines)

    @property
    def state(self) -> str:
        url = next(line for line in self.said if line.startswith(ISSUER))
        return parse_qs(urlsplit(url).query)["state"][0]

    async def read(self) -> str | None:
        self.asked.set()
        if not self._lines:
            await anyio.sleep_forever()
        line = self._lines.pop(0)
        return line and line.replace("{state}", self.state)


def code_way(tenant: Tenant, person: Person, port: int, *, timeout: float = 10) -> CodeFlow:
    address = CallbackAddress(f"http://localhost:{port}/callback", port)
    return CodeFlow(tenant.tokens, address, person.said.append, Trace(), timeout, None, None, person.read)


@pytest.mark.parametrize(
    "pasted",
    [
        "http://localhost:5000/callback?code=c0de&state={state}",
        "  http://localhost:5000/callback?state={state}&code=c0de#_=_ ",
        "code=c0de&state={state}",
    ],
)
async def test_the_pasted_address_is_as_good_as_the_callback(pasted: str) -> None:
    tenant, person = Tenant((200, TOKEN)), Person(pasted.strip())
    assert (await code_way(tenant, person, free_port()).sign_in(tenant.task)).access_token == "t0ken"
    assert tenant.asked[0][1]["code"] == "c0de"


async def test_a_wrong_paste_is_explained_and_the_next_one_counts() -> None:
    person = Person("", "yes", "http://localhost/?code=evil&state=other", "?code=c0de&state={state}")
    tenant = Tenant((200, TOKEN))
    await code_way(tenant, person, free_port()).sign_in(tenant.task)
    assert sum(line.startswith("That is not the answer") for line in person.said) == 2
    assert tenant.asked[0][1]["code"] == "c0de"


async def test_the_callback_wins_while_nobody_pastes() -> None:
    tenant, person, port = Tenant((200, TOKEN)), Person(), free_port()

    async def browse() -> None:
        await person.asked.wait()
        async with httpx2.AsyncClient() as http:
            await http.get(f"http://localhost:{port}/callback", params={"code": "c0de", "state": person.state})

    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(browse)
            await code_way(tenant, person, port).sign_in(tenant.task)
    assert tenant.asked[0][1]["code"] == "c0de"


async def test_where_the_port_is_taken_pasting_still_works_and_the_end_of_the_input_ends_it() -> None:
    port = free_port()
    async with taken(port):
        tenant, person = Tenant((200, TOKEN)), Person("?code=c0de&state={state}")
        await code_way(tenant, person, port).sign_in(tenant.task)
        assert "is taken by another program" in person.said[0]
        with anyio.fail_after(5), pytest.raises(SignInError, match="Nobody signed in"):
            await code_way(tenant, Person(None), port, timeout=60).sign_in(tenant.task)


async def test_a_pasted_refusal_is_told_as_it_is_and_not_in_a_group() -> None:
    tenant = Tenant((200, TOKEN))
    person = Person("?error=access_denied&error_description=User+did+not+authorize&state={state}")
    with pytest.raises(SignInDenied, match="User did not authorize"):
        await code_way(tenant, person, free_port()).sign_in(tenant.task)


async def test_nobody_signing_in_is_told_as_it_is_and_not_in_a_group() -> None:
    tenant = Tenant((200, TOKEN))
    with pytest.raises(SignInError, match="Nobody signed in"):
        await code_way(tenant, Person(), free_port(), timeout=0.05).sign_in(tenant.task)


@asynccontextmanager
async def taken(port: int) -> AsyncIterator[None]:
    async with await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=port):
        yield


@pytest.mark.parametrize(("written", "lines"), [(b"one\ntwo\n", ["one", "two", None]), (b"rest", ["rest", None])])
async def test_lines_are_read_from_a_pipe_one_at_a_time(
    monkeypatch: pytest.MonkeyPatch, written: bytes, lines: list[str | None]
) -> None:
    reading, writing = os.pipe()
    os.write(writing, written)
    os.close(writing)
    with os.fdopen(reading) as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        read: ReadLine = read_stdin_line
        assert [await read() for _ in lines] == lines


async def test_reading_can_be_given_up_and_takes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading) as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        with anyio.move_on_after(0.05):
            await read_stdin_line()
        os.write(writing, b"for the next\n")
        assert await read_stdin_line() == "for the next"
        os.close(writing)


async def test_a_file_is_read_too(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("input") / "line"
    path.write_text("from a file\n")
    with path.open() as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        assert [await read_stdin_line(), await read_stdin_line()] == ["from a file", None]


def test_a_line_from_something_that_is_no_file_is_read_too(stack: FakeStack, command: Command) -> None:
    """Typer's runner gives the command a standard input without a file descriptor."""
    result = command("login", "--paste", stdin="not the answer\n", OAUTH_CALLBACK_TIMEOUT="0.5")
    assert result.exit_code == 3
    assert "That is not the answer to this sign-in" in result.stderr
    assert "Nobody signed in within the time limit" in result.stderr
    assert stack.entries("code") == []


@pytest.mark.parametrize(
    ("installed", "program", "option"),
    [
        (("google-chrome", "firefox"), "google-chrome", "--incognito"),
        (("chromium", "firefox", "microsoft-edge"), "chromium", "--incognito"),
        (("microsoft-edge", "firefox"), "firefox", "--private-window"),
        (("microsoft-edge",), "microsoft-edge", "--inprivate"),
    ],
)
def test_a_private_window_is_of_the_first_browser_that_is_installed(
    monkeypatch: pytest.MonkeyPatch, installed: tuple[str, ...], program: str, option: str
) -> None:
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}" if name in installed else None)
    started: list[list[str]] = []
    monkeypatch.setattr(subprocess, "Popen", lambda command, **_: started.append(command))
    monkeypatch.setenv("DISPLAY", ":0")
    browser.open_private_window("https://tenant.example/authorize", pytest.fail)
    assert started == [[f"/usr/bin/{program}", option, "https://tenant.example/authorize"]]


def test_without_such_a_browser_the_default_one_opens(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr("shutil.which", lambda _: None)
    monkeypatch.setattr(browser, "open_system_browser", lambda url, _: opened.append(url))
    monkeypatch.setenv("DISPLAY", ":0")
    browser.open_private_window("https://tenant.example/authorize", pytest.fail)
    assert opened == ["https://tenant.example/authorize"]


def test_a_private_window_that_cannot_be_started_is_the_default_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError

    opened: list[str] = []
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(subprocess, "Popen", refuse)
    monkeypatch.setattr(browser, "open_system_browser", lambda url, _: opened.append(url))
    monkeypatch.setenv("DISPLAY", ":0")
    browser.open_private_window("https://tenant.example/authorize", pytest.fail)
    assert opened == ["https://tenant.example/authorize"]


@pytest.mark.parametrize("opener", [browser.open_system_browser, browser.open_private_window])
@pytest.mark.parametrize("url", ["file:///etc/passwd", "javascript:alert(1)", "ssh://h.example", "--help"])
def test_only_web_pages_are_opened(
    monkeypatch: pytest.MonkeyPatch, opener: Callable[[str, Callable[[], None]], None], url: str
) -> None:
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("started"))
    monkeypatch.setattr(webbrowser, "open", lambda _: pytest.fail("opened"))
    failed: list[bool] = []
    opener(url, lambda: failed.append(True))
    assert failed == [True]


@pytest.mark.parametrize("fault", [webbrowser.Error("no browser"), OSError(), None])
def test_a_browser_that_does_not_open_is_reported(monkeypatch: pytest.MonkeyPatch, fault: Exception | None) -> None:
    def refuse(_: str) -> bool:
        if fault is not None:
            raise fault
        return False

    failed = threading.Event()
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(webbrowser, "open", refuse)
    browser.open_system_browser("https://tenant.example/authorize", failed.set)
    assert failed.wait(10)


def test_a_qr_code_has_nothing_that_a_terminal_obeys() -> None:
    drawn = qr_code("https://tenant.example/activate?user_code=WDJB-MJHT")
    assert set(drawn) <= set("█▀▄ \n")
    assert len({len(line) for line in drawn.splitlines()}) == 1
    assert json.dumps(drawn)
