"""A server over stdio behind the gate: one process for each subject, bounded, and ended cleanly."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp.shared.exceptions import MCPError

from gatehouse_server.adapters.upstream.processes import NoProcess, Processes, ProcessLimits
from gatehouse_server.auth.provider.keys import SigningKeys
from gatehouse_server.serving.settings import SettingsError, load
from gatehouse_server.serving.upstream_settings import UpstreamSettings
from gatehouse_server.upstream import protect_upstream
from tests.server.protected_server import Era, ask
from tests.server.token_issuer import JWKS_URL, Issuer, settings
from tests.server.upstream.guarded import client_of
from tests.server.upstream.sdk_upstream import sdk_client

pytestmark = pytest.mark.anyio

SCRIPT = Path(__file__).parent / "stdio_server.py"
SMALL = (sys.executable, "-I", "-S", str(SCRIPT))


def app(issuer: Issuer, folder: Path, *command: str, table: str = 'tools: {"*": []}', **variables: Any) -> Any:
    """The gate in front of a command."""
    file = folder / "permissions.yaml"
    file.write_text(table, encoding="utf-8")
    http = httpx2.AsyncClient(transport=httpx2.MockTransport(issuer.handle))
    upstream = UpstreamSettings(_env_file=None, **{"UPSTREAM_COMMAND": command or SMALL, **variables})  # type: ignore[call-arg]
    keys = SigningKeys(JWKS_URL, "RS256", http=http)
    return protect_upstream(settings(PERMISSIONS_FILE=str(file)), upstream, keys=keys)


@asynccontextmanager
async def gate(issuer: Issuer, folder: Path, *command: str, **variables: Any) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of it."""
    async with asyncio.timeout(60), client_of(app(issuer, folder, *command, **variables)) as client:
        yield client


async def said(client: httpx2.AsyncClient, token: str, name: str, era: Era = "legacy", **arguments: Any) -> str:
    """The text that the tool answers with."""
    answer = await ask(client, token, "tools/call", {"name": name, "arguments": arguments}, era=era)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["result"]["content"][0]["text"])


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_each_subject_has_a_process_of_its_own_which_ends_with_the_gate(issuer: Issuer, tmp_path: Path) -> None:
    alice, bob = issuer.token(), issuer.token(sub="auth0|b\u00f6b\n")
    async with gate(issuer, tmp_path) as client:
        first = await said(client, alice, "who")
        assert first.startswith("auth0|alice ")
        assert await said(client, alice, "who", "modern") == first
        assert await said(client, issuer.token(azp="another"), "who") == first
        other = await said(client, bob, "who")
        assert other.startswith("auth0|b%C3%B6b%0A ")
        pids = [int(text.split()[1]) for text in (first, other)]
        assert len(set(pids)) == 2
    assert not any(map(is_running, pids))


async def test_the_process_has_no_variable_of_the_gate_but_those_that_are_named(
    issuer: Issuer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EXCHANGE_CLIENT_SECRET", "secret")
    monkeypatch.setenv("SHOP_KEY", "1")
    async with gate(issuer, tmp_path, UPSTREAM_COMMAND_ENV="SHOP_KEY") as client:
        names = set((await said(client, issuer.token(), "environment")).split())
    assert {"SHOP_KEY", "GATEHOUSE_SUBJECT", "PATH"} <= names
    assert not {name for name in names if name.startswith(("EXCHANGE_", "AUTH0_", "PYTEST_"))}


async def test_the_process_runs_in_the_folder_that_is_named(issuer: Issuer, tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "server.py").write_text(
        f"import runpy; runpy.run_path({str(SCRIPT)!r}, run_name='__main__')\n"
    )
    command = f"{sys.executable} server.py"
    async with gate(issuer, tmp_path, UPSTREAM_COMMAND=command, UPSTREAM_FOLDER=str(tmp_path / "shop")) as client:
        assert (await said(client, issuer.token(), "who")).startswith("auth0|alice ")


@pytest.mark.parametrize(
    ("variables", "problem"),
    [
        ({"UPSTREAM_COMMAND": "no-such-program -y"}, "begins with 'no-such-program': there is no such program"),
        ({"UPSTREAM_COMMAND": "./server"}, "begins with './server': there is no such program"),
        ({"UPSTREAM_COMMAND": ("a\0b",)}, "there is no such program"),
        ({"UPSTREAM_FOLDER": "no-such-folder"}, "UPSTREAM_FOLDER is 'no-such-folder'"),
    ],
    ids=str,
)
async def test_a_command_that_cannot_run_is_refused_at_the_start(
    issuer: Issuer, tmp_path: Path, variables: dict[str, Any], problem: str
) -> None:
    with pytest.raises(SettingsError, match=problem):
        async with gate(issuer, tmp_path, **variables):
            pass


async def test_permissions_and_lists_are_those_of_the_table(issuer: Issuer, tmp_path: Path) -> None:
    table = "tools: {who: [], end: shop:end}"
    async with gate(issuer, tmp_path, table=table) as client:
        token = issuer.token(permissions=["access:mcp"])
        listed = await ask(client, token, "tools/list")
        assert [tool["name"] for tool in listed.json()["result"]["tools"]] == ["who"]
        assert (await ask(client, token, "tools/call", {"name": "end"})).status_code == 403
        assert (await ask(client, token, "tools/call", {"name": "flood"})).status_code == 403


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_a_client_of_the_sdk_sees_what_the_process_says_of_itself(
    issuer: Issuer, tmp_path: Path, mode: str
) -> None:
    seen: list[float] = []

    async def progress(done: float, _total: float | None, _message: str | None) -> None:
        seen.append(done)

    protected = app(issuer, tmp_path)
    async with (
        asyncio.timeout(60),
        protected.router.lifespan_context(protected),
        sdk_client(protected, issuer.token(), mode) as client,
    ):
        assert client.server_info is not None
        assert (client.server_info.name, client.server_info.version) == ("small", "7")
        assert client.instructions == "Be small."
        assert client.server_capabilities.prompts is None
        result = await client.call_tool("progress", {}, progress_callback=progress)
        assert result.content[0].text == '["progressToken"]'  # type: ignore[union-attr]
    assert seen == [1, 2]


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_a_server_of_the_sdk_works_over_stdio(issuer: Issuer, tmp_path: Path, mode: str) -> None:
    table = 'tools: {add: []}\nresources: {"shop://items/{item}": "shop:read"}'
    protected = app(issuer, tmp_path, sys.executable, str(SCRIPT.with_name("sdk_stdio_server.py")), table=table)
    async with (
        asyncio.timeout(60),
        protected.router.lifespan_context(protected),
        sdk_client(protected, issuer.token(scope="access:mcp shop:read"), mode) as client,
    ):
        assert [tool.name for tool in (await client.list_tools()).tools] == ["add"]
        assert (await client.call_tool("add", {"a": 1, "b": 2})).structured_content == {"result": 3}
        assert (await client.read_resource("shop://items/7")).contents[0].text == "7"  # type: ignore[union-attr]
        assert [each.uri_template for each in (await client.list_resource_templates()).resource_templates]
        with pytest.raises(MCPError):
            await client.call_tool("hidden", {})


async def test_a_process_that_ends_is_an_error_and_the_next_call_has_a_new_one(issuer: Issuer, tmp_path: Path) -> None:
    async with gate(issuer, tmp_path) as client:
        token = issuer.token()
        first = await said(client, token, "who")
        answer = await ask(client, token, "tools/call", {"name": "end"})
        assert answer.json()["error"]["message"] == "The server behind the gate has ended."
        assert await said(client, token, "who") != first


async def test_wrong_answers_of_a_process_are_errors(issuer: Issuer, tmp_path: Path) -> None:
    async with gate(issuer, tmp_path) as client:
        token = issuer.token()
        assert "error" in (await ask(client, token, "tools/call", {"name": "bad_answer"})).json()
        assert await said(client, token, "noise") == "done"


async def test_a_message_that_is_too_long_ends_the_process() -> None:
    processes = Processes(SMALL, limits=ProcessLimits(message_bytes=10_000))
    async with asyncio.timeout(60), processes.client("alice") as client:
        assert (await client.call_tool("flood", {"size": 5_000})).content
        with pytest.raises(Exception, match="Connection closed"):
            await client.call_tool("flood", {"size": 20_000})
    await processes.aclose()
    assert processes.running == 0


async def pid_of(processes: Processes, subject: str | None) -> int:
    async with processes.client(subject) as client:
        result = await client.call_tool("who", {})
        return int(result.content[0].text.split()[1])  # type: ignore[union-attr]


async def test_the_number_of_processes_is_bounded_and_an_idle_one_makes_room() -> None:
    processes = Processes(SMALL, limits=ProcessLimits(processes=2))
    async with asyncio.timeout(60):
        first = await pid_of(processes, "a")
        async with processes.client("b"):
            assert await pid_of(processes, "c")
            assert not is_running(first)
            assert processes.running == 2
            async with processes.client("c"):
                with pytest.raises(NoProcess, match="in use"):
                    await pid_of(processes, "a")
        await processes.aclose()
    assert processes.running == 0


async def test_the_longest_idle_process_makes_room() -> None:
    processes = Processes(SMALL, limits=ProcessLimits(processes=2))
    async with asyncio.timeout(60):
        first, second = await pid_of(processes, "a"), await pid_of(processes, "b")
        assert await pid_of(processes, "a") == first
        assert await pid_of(processes, "c")
        assert (is_running(first), is_running(second)) == (True, False)
        await processes.aclose()


async def test_an_idle_process_ends_and_many_first_calls_start_only_one() -> None:
    processes = Processes(SMALL, limits=ProcessLimits(idle_seconds=0.05))
    async with asyncio.timeout(60):
        pids = await asyncio.gather(*(pid_of(processes, "a") for _ in range(5)))
        assert len(set(pids)) == 1
        while processes.running:
            await asyncio.wait([asyncio.ensure_future(asyncio.Event().wait())], timeout=0.01)
    assert not is_running(pids[0])


async def test_a_process_that_ignores_everything_is_killed() -> None:
    processes = Processes((*SMALL, "stubborn"), limits=ProcessLimits(stop_seconds=0.05))
    async with asyncio.timeout(60):
        pid = await pid_of(processes, "a")
        await processes.aclose()
    assert not is_running(pid)


@pytest.mark.parametrize(
    "command", [(sys.executable, "-c", "pass"), (*SMALL, "silent"), (sys.executable, "a\0b")], ids=str
)
async def test_a_command_that_is_no_server_is_an_error_without_its_name(
    issuer: Issuer, tmp_path: Path, command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gatehouse_server.upstream.START_SECONDS", 0.5)
    async with gate(issuer, tmp_path, *command) as client:
        answer = await ask(client, issuer.token(), "tools/list")
        assert (answer.status_code, answer.json()["error"]["message"]) == (
            503,
            "The server behind the gate does not start.",
        )
        assert (await client.get("/readyz")).status_code == 503


async def test_the_process_learns_of_a_cancelled_call(
    issuer: Issuer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "cancelled"
    monkeypatch.setenv("CANCELLED", str(file))
    async with gate(issuer, tmp_path, UPSTREAM_COMMAND_ENV="CANCELLED") as client:
        await said(client, issuer.token(), "who")
        params = {"name": "wait", "arguments": {}, "_meta": {"progressToken": 1}}
        call = asyncio.ensure_future(ask(client, issuer.token(), "tools/call", params, era="modern"))
        await asyncio.wait((call,), timeout=0.5)
        call.cancel()
        while not file.exists():
            await asyncio.wait([asyncio.ensure_future(asyncio.Event().wait())], timeout=0.01)


def test_words_of_a_command_are_those_of_a_shell_without_a_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UPSTREAM_COMMAND", "npx -y 'a b' $HOME; rm x")
    assert load(UpstreamSettings).command == ("npx", "-y", "a b", "$HOME;", "rm", "x")
    monkeypatch.setenv("UPSTREAM_COMMAND", "npx 'a")
    with pytest.raises(SettingsError, match="words as in a shell are valid"):
        load(UpstreamSettings)


def test_two_servers_behind_one_gate_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UPSTREAM_COMMAND", "x")
    monkeypatch.setenv("UPSTREAM_URL", "http://127.0.0.1:8000/mcp")
    with pytest.raises(SettingsError, match="only one server"):
        load(UpstreamSettings)


def test_a_variable_that_is_not_set_is_named(issuer: Issuer, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="names NO_SUCH_VARIABLE"):
        app(issuer, tmp_path, UPSTREAM_COMMAND_ENV="NO_SUCH_VARIABLE")
