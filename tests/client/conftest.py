"""Fixtures of the client's tests."""

from __future__ import annotations

import webbrowser
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.client.fake_stack import CLIENT_ID, CLIENT_SECRET, FakeStack, running_fake_stack
from tests.client.run_command import Command
from tests.support.free_ports import free_port


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def empty_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the tests in an empty folder: a developer's folder can have a `.env`."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def stack() -> Iterator[FakeStack]:
    """A running tenant and MCP server."""
    with running_fake_stack() as running:
        yield running


@pytest.fixture
def command(stack: FakeStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """The `gatehouse` command, set up for that stack, with a browser that follows the tenant's redirect."""
    variables = {
        "MCP_PUBLIC_URL": stack.server,
        "AUTH0_CLIENT_ID": CLIENT_ID,
        "AUTH0_CLIENT_SECRET": CLIENT_SECRET,
        "OAUTH_CALLBACK_URI": f"http://localhost:{free_port()}/callback",
        "GATEHOUSE_HOME": str(tmp_path / "home"),
        "GATEHOUSE_KEYRING": "0",
    }
    prepared = Command(monkeypatch, tmp_path, variables)
    monkeypatch.setattr(webbrowser, "open", prepared.browse)
    return prepared
