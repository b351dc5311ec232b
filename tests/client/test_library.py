"""The sign-in as a library: every example of docs/client.md runs; importing costs nothing."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import gatehouse_client
from gatehouse_client import ConfigurationError, GatehouseAuth, SignInError, gatehouse_auth, load_settings, sign_in
from tests.client.fake_stack import FakeStack
from tests.client.run_command import Command

DOCUMENT = Path(__file__).parents[2] / "docs" / "client.md"
EXAMPLES = dict(re.findall(r"^### ([^\n]+)\n+```python\n(.*?)^```", DOCUMENT.read_text("utf-8"), re.M | re.S))
SECONDS = 120


def run(command: Command, program: str) -> subprocess.CompletedProcess[str]:
    """A program of its own, in which every warning but LangChain's note on its beta is an error."""
    prepared = "import warnings\nwarnings.filterwarnings('ignore', message='.*is in beta')\n" + program
    environment = {**os.environ, **command.variables, "BROWSER": "false"}
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", prepared],
        env=environment,
        cwd=command.folder,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def test_every_example_is_found() -> None:
    assert list(EXAMPLES) == ["The MCP SDK", "FastMCP", "LangChain", "pydantic-ai"]


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_example_calls_a_tool_with_the_persons_sign_in(stack: FakeStack, command: Command, name: str) -> None:
    assert command("login").exit_code == 0
    done = run(command, EXAMPLES[name])
    assert done.returncode == 0, done.stderr
    assert "12:00 in " in done.stdout
    assert [entry["name"] for entry in stack.entries("mcp") if entry["name"]] == ["get_time"]
    assert len(stack.entries("authorize")) == 1, "the sign-in of the command was enough"


@pytest.mark.anyio
async def test_sign_in_asks_the_person_and_the_next_one_need_not(
    stack: FakeStack, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {**command.variables, "BROWSER": "robot"}.items():
        monkeypatch.setenv(name, value)
    said: list[str] = []
    auth = await sign_in(load_settings(), say=said.append)
    assert isinstance(auth, GatehouseAuth)
    assert auth.grant is not None
    assert any(line.startswith(stack.issuer) for line in said)
    assert (await sign_in(load_settings())).grant == auth.grant
    assert len(stack.entries("authorize")) == 1
    assert gatehouse_auth(load_settings()).grant is None, "nothing happens before the first request"


@pytest.mark.anyio
async def test_a_sign_in_that_fails_is_a_sentence(
    stack: FakeStack, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {**command.variables, "BROWSER": "robot"}.items():
        monkeypatch.setenv(name, value)
    stack.deny = ("access_denied", "no")
    with pytest.raises(SignInError, match="denied"):
        await sign_in(load_settings(), say=lambda _: None)


def test_settings_may_be_given_and_go_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTH0_CLIENT_ID", "of-the-environment")
    settings = load_settings(mcp_public_url="https://mcp.example/mcp", auth0_client_id="given")
    assert (settings.mcp_public_url, settings.auth0_client_id) == ("https://mcp.example/mcp", "given")
    with pytest.raises(ConfigurationError, match="There is no setting client_id"):
        load_settings(client_id="typo")


def test_importing_the_package_imports_nothing_else(command: Command) -> None:
    program = """
import sys
before = set(sys.modules)
import gatehouse_client
after = {name.partition(".")[0] for name in set(sys.modules) - before}
print(sorted(name for name in after if name not in sys.stdlib_module_names))
"""
    assert run(command, program).stdout == "['gatehouse_client']\n"


def test_the_facade_names_what_it_has() -> None:
    assert all(getattr(gatehouse_client, name) is not None for name in gatehouse_client.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = gatehouse_client.nonsense
