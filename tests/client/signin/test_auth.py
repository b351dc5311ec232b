"""The auth object among parallel requests and processes: one renewal, one browser, and never again for a refusal."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import anyio
import httpx2
import pytest
from anyio import wait_all_tasks_blocked

from gatehouse_client.errors import ForbiddenError, SignInDenied, SignInError, UnreachableError
from gatehouse_client.signin.auth import GatehouseAuth
from gatehouse_client.signin.flows.callback import CallbackAddress
from gatehouse_client.signin.flows.code import CodeFlow
from gatehouse_client.signin.flows.flow import SignInFlow, SignInTask
from gatehouse_client.signin.http.fetch import Fetcher
from gatehouse_client.signin.http.trace import Trace
from gatehouse_client.signin.http_outcome import recording_outcome
from gatehouse_client.signin.protocol.client import OAuthClient
from gatehouse_client.signin.protocol.registration import PreRegistered
from gatehouse_client.signin.protocol.tokens import TokenEndpoint, TokenResponse
from gatehouse_client.signin.provider import Provider, SignInOptions
from gatehouse_client.storage.token_store import TokenStore
from tests.client.fake_stack import CLIENT_ID, CLIENT_SECRET, FakeStack
from tests.support.free_ports import free_port
from tests.support.processes import TLS

pytestmark = pytest.mark.anyio

CALL = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
HEADERS = {"Accept": "application/json, text/event-stream", "MCP-Protocol-Version": "2025-11-25"}


class Clock:
    """Seconds since the epoch, moved by hand."""

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


class InstantFlow:
    """Signs in at once, or fails with `error`; counts."""

    grant_types = ("authorization_code", "refresh_token")

    def __init__(self, stack: FakeStack) -> None:
        self.stack = stack
        self.scopes: list[str | None] = []
        self.error: SignInError | None = None
        self.gate: anyio.Event | None = None
        self.started = anyio.Event()

    async def sign_in(self, task: SignInTask) -> TokenResponse:
        self.scopes.append(task.scope)
        self.started.set()
        if self.gate is not None:
            await self.gate.wait()
        await anyio.lowlevel.checkpoint()
        if self.error is not None:
            raise self.error
        return TokenResponse.model_validate(self.stack.issue(frozenset((task.scope or "").split())))


class Agent:
    """An agent of the person: an auth object of its own over the person's store."""

    def __init__(self, stack: FakeStack, home: Path, clock: Callable[[], float] = time.time) -> None:
        self.flow = InstantFlow(stack)
        self.said: list[str] = []
        self._options = SignInOptions(server=stack.server)
        self._store = TokenStore(home, self.said.append)
        self._clock = clock
        self.auth = self.signed_in_by(self.flow)

    def signed_in_by(self, flow: SignInFlow) -> GatehouseAuth:
        client = PreRegistered(OAuthClient(CLIENT_ID, CLIENT_SECRET))
        provider = Provider(self._options, Fetcher(), flow, client, self._clock)
        return GatehouseAuth(self._options, provider, self._store, clock=self._clock)

    async def call(self, url: str, tool: str | None = None) -> int:
        """One request; its final status."""
        body = {**CALL, "method": "tools/call", "params": {"name": tool, "arguments": {}}} if tool else CALL
        async with httpx2.AsyncClient(auth=self.auth, verify=TLS, timeout=60) as http:
            return (await http.post(url, json=body, headers=HEADERS)).status_code


def browse(url: str, failed: Callable[[], None]) -> None:
    """A browser that goes where it is sent."""
    del failed
    threading.Thread(target=lambda: urlopen(url, timeout=20).close(), daemon=True).start()


@pytest.fixture
def agent(stack: FakeStack, tmp_path: Path) -> Agent:
    return Agent(stack, tmp_path)


async def together(count: int, work: Callable[[], Any]) -> list[Any]:
    """`count` times at the same time; results and exceptions."""
    results: list[Any] = []

    async def one() -> None:
        try:
            results.append(await work())
        except (SignInError, UnreachableError) as error:
            results.append(error)

    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            for _ in range(count):
                tasks.start_soon(one)
    return results


async def test_a_hundred_parallel_calls_share_one_sign_in(stack: FakeStack, agent: Agent) -> None:
    assert await together(100, lambda: agent.call(stack.server)) == [200] * 100
    assert len(agent.flow.scopes) == 1


async def test_a_hundred_parallel_calls_share_one_renewal_when_the_server_refuses(
    stack: FakeStack, agent: Agent
) -> None:
    await agent.call(stack.server)
    stack.forget_access_tokens()
    stack.rotate = True
    assert await together(100, lambda: agent.call(stack.server)) == [200] * 100
    assert (len(stack.entries("refresh")), len(agent.flow.scopes)) == (1, 1)


async def test_a_hundred_parallel_calls_share_one_renewal_ahead_of_the_expiry(stack: FakeStack, tmp_path: Path) -> None:
    clock = Clock()
    agent = Agent(stack, tmp_path, clock)
    await agent.call(stack.server)
    clock.now += 3541
    requests = len(stack.entries("mcp"))
    assert await together(100, lambda: agent.call(stack.server)) == [200] * 100
    assert len(stack.entries("refresh")) == 1
    assert len(stack.entries("mcp")) == requests + 100, "no request was refused first"


async def test_a_renewal_that_fails_is_shared_by_all_who_wait(stack: FakeStack, agent: Agent) -> None:
    await agent.call(stack.server)
    stack.forget_access_tokens()
    stack.token_answer = (503, {})
    results = await together(20, lambda: agent.call(stack.server))
    assert [type(result) for result in results] == [UnreachableError] * 20
    assert len(stack.entries("refresh")) == 1


async def test_a_denied_sign_in_is_shared_by_all_who_wait(stack: FakeStack, agent: Agent) -> None:
    agent.flow.error = SignInDenied("no")
    results = await together(20, lambda: agent.call(stack.server))
    assert [type(result) for result in results] == [SignInDenied] * 20
    assert len(agent.flow.scopes) == 1


async def test_a_denial_in_the_browser_is_shared_as_it_is_and_the_browser_opens_once(
    stack: FakeStack, tmp_path: Path
) -> None:
    stack.deny = ("access_denied", "User did not authorize the request")
    port = free_port()
    fetch, callback = Fetcher(), CallbackAddress(f"http://localhost:{port}/callback", port)
    agent = Agent(stack, tmp_path)
    flow = CodeFlow(TokenEndpoint(fetch), callback, agent.said.append, Trace(), 30, open_browser=browse)
    agent.auth = agent.signed_in_by(flow)
    results = await together(20, lambda: agent.call(stack.server))
    assert [type(result) for result in results] == [SignInDenied] * 20
    assert len(stack.entries("authorize")) == 1


async def test_after_a_denied_sign_in_a_later_call_may_ask_again(stack: FakeStack, agent: Agent) -> None:
    agent.flow.error = SignInDenied("no")
    with pytest.raises(SignInDenied):
        await agent.call(stack.server)
    agent.flow.error = None
    assert await agent.call(stack.server) == 200


async def test_a_cancelled_sign_in_leaves_it_to_the_next_who_waits(stack: FakeStack, agent: Agent) -> None:
    agent.flow.gate = anyio.Event()
    second: list[int] = []

    async def wait_second() -> None:
        second.append(await agent.call(stack.server))

    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            first = anyio.CancelScope()

            async def wait_first() -> None:
                with first:
                    await agent.call(stack.server)

            tasks.start_soon(wait_first)
            await agent.flow.started.wait()
            tasks.start_soon(wait_second)
            first.cancel()
            agent.flow.gate.set()
    assert second == [200]


async def test_when_the_first_of_those_who_wait_is_cancelled_the_browser_opens_no_second_time(
    stack: FakeStack, agent: Agent
) -> None:
    agent.flow.gate = anyio.Event()
    refusal = httpx2.Response(401, headers={"WWW-Authenticate": "Bearer"})
    server = httpx2.MockTransport(lambda r: httpx2.Response(200) if "authorization" in r.headers else refusal)
    first, answers = anyio.CancelScope(), list[int]()

    async def call(scope: anyio.CancelScope) -> None:
        with scope:
            async with httpx2.AsyncClient(auth=agent.auth, transport=server) as http:
                answers.append((await http.post(stack.server, json=CALL)).status_code)

    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(call, first)
            await agent.flow.started.wait()
            for _ in range(3):
                tasks.start_soon(call, anyio.CancelScope())
            await wait_all_tasks_blocked()
            first.cancel()
            await wait_all_tasks_blocked()
            agent.flow.gate.set()
    assert answers == [200] * 3
    assert len(agent.flow.scopes) == 1


async def test_two_agents_of_the_person_renew_once(stack: FakeStack, tmp_path: Path) -> None:
    one, other = Agent(stack, tmp_path), Agent(stack, tmp_path)
    await one.call(stack.server)
    assert await other.call(stack.server) == 200, "the second one uses what the first one stored"
    stack.rotate = True
    stack.forget_access_tokens()
    agents = iter([one, other] * 10)
    assert await together(20, lambda: next(agents).call(stack.server)) == [200] * 20
    assert len(stack.entries("refresh")) == 1
    assert (len(one.flow.scopes), len(other.flow.scopes)) == (1, 0)


async def test_two_agents_of_the_person_sign_in_once(stack: FakeStack, tmp_path: Path) -> None:
    one, other = Agent(stack, tmp_path), Agent(stack, tmp_path)
    agents = iter([one, other])
    assert await together(2, lambda: next(agents).call(stack.server)) == [200] * 2
    assert len(one.flow.scopes) + len(other.flow.scopes) == 1


async def test_a_restart_needs_no_browser_even_after_the_expiry(stack: FakeStack, tmp_path: Path) -> None:
    stack.rotate = True
    clock = Clock()
    first = Agent(stack, tmp_path, clock)
    await first.call(stack.server)
    (kept,) = stack.refresh_tokens
    for _ in range(3):
        clock.now += 4000
        stack.forget_access_tokens()
        restarted = Agent(stack, tmp_path, clock)
        assert await restarted.call(stack.server) == 200
        assert restarted.flow.scopes == []
    assert kept not in stack.refresh_tokens, "the rotated refresh token was stored and used"
    assert len(stack.entries("refresh")) == 3


async def test_a_token_that_lives_on_is_used_while_the_tenant_is_away(stack: FakeStack, tmp_path: Path) -> None:
    clock = Clock()
    agent = Agent(stack, tmp_path, clock)
    await agent.call(stack.server)
    clock.now += 3550
    stack.token_answer = (503, {})
    assert await agent.call(stack.server) == 200
    assert await agent.call(stack.server) == 200
    assert len(stack.entries("refresh")) == 1, "the tenant is not asked with every call"
    clock.now += 31
    stack.token_answer = None
    assert await agent.call(stack.server) == 200
    assert len(stack.entries("refresh")) == 2


async def test_a_hundred_parallel_calls_with_a_revoked_refresh_token_share_one_clean_sign_in(
    stack: FakeStack, agent: Agent
) -> None:
    await agent.call(stack.server)
    stack.forget_access_tokens()
    stack.refresh_tokens.clear()  # revoked, or reused by somebody: the tenant has ended the whole family
    assert await together(100, lambda: agent.call(stack.server)) == [200] * 100
    assert (len(stack.entries("refresh")), len(agent.flow.scopes)) == (1, 2)
    assert agent.said == []


@pytest.mark.parametrize("hours", [-24, -1, 1, 24])
async def test_a_clock_that_is_set_right_costs_a_renewal_at_most(stack: FakeStack, tmp_path: Path, hours: int) -> None:
    clock = Clock()
    await Agent(stack, tmp_path, clock).call(stack.server)
    clock.now += hours * 3600
    stack.forget_access_tokens()
    restarted = Agent(stack, tmp_path, clock)
    assert [await restarted.call(stack.server) for _ in range(3)] == [200] * 3
    assert restarted.flow.scopes == []
    assert len(stack.entries("refresh")) == 1


async def test_parallel_calls_are_not_held_one_behind_the_other(stack: FakeStack, agent: Agent) -> None:
    await agent.call(stack.server)
    started, all_started = 0, anyio.Event()

    async def barrier(_: httpx2.Request) -> httpx2.Response:
        nonlocal started
        started += 1
        if started == 5:
            all_started.set()
        await all_started.wait()
        return httpx2.Response(200)

    async def call() -> int:
        async with httpx2.AsyncClient(auth=agent.auth, transport=httpx2.MockTransport(barrier)) as http:
            return (await http.post(stack.server, json=CALL)).status_code

    assert await together(5, call) == [200] * 5


async def test_the_token_goes_to_no_other_server(stack: FakeStack, agent: Agent) -> None:
    await agent.call(stack.server)
    seen: list[str | None] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append(request.headers.get("authorization"))
        return httpx2.Response(401, headers={"WWW-Authenticate": "Bearer"})

    async with httpx2.AsyncClient(auth=agent.auth, transport=httpx2.MockTransport(answer)) as http:
        others = (
            "https://evil.example/mcp",
            stack.server.replace("localhost", "127.0.0.1"),
            stack.server.replace("/mcp", "/tenant-b/mcp"),
        )
        for url in others:
            assert (await http.get(url)).status_code == 401
    assert seen == [None, None, None]


async def test_a_stored_grant_of_another_application_or_tenant_is_not_used(stack: FakeStack, tmp_path: Path) -> None:
    await Agent(stack, tmp_path).call(stack.server)
    kept = TokenStore(tmp_path, lambda _: None).load(stack.server)
    assert kept is not None

    def owns(client_id: str, issuer: str | None) -> bool:
        options, client = SignInOptions(stack.server, issuer), PreRegistered(OAuthClient(client_id))
        return Provider(options, Fetcher(), InstantFlow(stack), client, time.time).owns(kept)

    assert owns(CLIENT_ID, stack.issuer)
    assert owns(CLIENT_ID, None)
    assert not owns("another-client", None)
    assert not owns(CLIENT_ID, "https://other.example/")


async def test_parallel_step_ups_for_one_permission_are_one(stack: FakeStack, agent: Agent) -> None:
    stack.permission_of_tool = {"add": "sum"}
    stack.permissions = frozenset({"access:mcp", "sum"})
    await agent.call(stack.server)
    assert await together(10, lambda: agent.call(stack.server, "add")) == [200] * 10
    assert agent.flow.scopes == ["access:mcp offline_access", "access:mcp offline_access sum"]


async def test_step_ups_add_up_and_lose_nothing(stack: FakeStack, agent: Agent) -> None:
    stack.permission_of_tool = {"add": "sum", "get_time": "time:read"}
    stack.permissions = frozenset({"access:mcp", "sum", "time:read"})
    for tool in ("add", "get_time", "add", "get_time"):
        assert await agent.call(stack.server, tool) == 200
    assert len(agent.flow.scopes) == 3
    assert set((agent.flow.scopes[-1] or "").split()) == {"access:mcp", "offline_access", "sum", "time:read"}


async def test_a_refused_step_up_is_remembered_and_explained(stack: FakeStack, agent: Agent) -> None:
    stack.permission_of_tool = {"add": "sum"}
    for _ in range(3):
        with recording_outcome() as outcome:
            assert await agent.call(stack.server, "add") == 403
        assert isinstance(outcome.error, ForbiddenError)
        assert outcome.error.missing == {"sum"}
    assert await agent.call(stack.server, "get_time") == 200
    assert len(agent.flow.scopes) == 2


async def test_a_403_without_a_challenge_asks_for_nothing(stack: FakeStack, agent: Agent) -> None:
    await agent.call(stack.server)
    async with httpx2.AsyncClient(
        auth=agent.auth, transport=httpx2.MockTransport(lambda _: httpx2.Response(403))
    ) as http:
        with recording_outcome() as outcome:
            assert (await http.post(stack.server, json=CALL)).status_code == 403
    assert outcome.error is not None
    assert "The call is forbidden" in str(outcome.error)
    assert len(agent.flow.scopes) == 1


def test_it_says_that_it_needs_an_async_client(stack: FakeStack, agent: Agent) -> None:
    with httpx2.Client(auth=agent.auth) as http, pytest.raises(RuntimeError, match="AsyncClient"):
        http.get(stack.server)
