"""If E2E_ISSUER is set (the docker runtime), the stack runs already. Otherwise the suite starts its own processes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.stack import LocalStack, Stack


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The running stack."""
    if issuer := os.environ.get("E2E_ISSUER"):
        yield Stack(
            os.environ["MCP_PUBLIC_URL"], issuer, os.environ["E2E_CONTROL_TOKEN"], os.environ["AUTH0_AUDIENCE"], {}
        )
        return
    with LocalStack.on_free_ports(tmp_path_factory.mktemp("stack")).running() as running:
        yield running


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An agent's empty home folder."""
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


@pytest.fixture
def alice_home(stack: Stack, home: Path) -> Path:
    """An agent's home folder with alice signed in."""
    done = stack.gatehouse("login", home=home)
    assert done.returncode == 0, done.stderr
    return home
