"""Processes on free ports: a tenant, a normal server, and a server whose keys expire at once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.security.server_process import ServerProcess, running_server
from tests.support.processes import OfflineStack, prepare, wait_for
from tests.support.stack import Stack


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def tenant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OfflineStack]:
    """The running offline tenant, without its server."""
    offline = prepare(tmp_path_factory.mktemp("security"))
    with offline.tenant():
        yield offline


@pytest.fixture(scope="session")
def server(tenant: OfflineStack) -> Iterator[ServerProcess]:
    """The server with its normal limits."""
    with running_server(tenant) as running:
        wait_for(f"{running.origin}/readyz", 200)
        yield running


@pytest.fixture(scope="session")
def _short_lived(tenant: OfflineStack) -> Iterator[ServerProcess]:
    with running_server(tenant, "short_lived_keys") as running:
        yield running


@pytest.fixture
def short_lived(tenant_control: Stack, _short_lived: ServerProcess) -> ServerProcess:
    """A ready server whose keys expire at once."""
    wait_for(f"{_short_lived.origin}/readyz", 200)
    return _short_lived


@pytest.fixture
def tenant_control(tenant: OfflineStack) -> Iterator[Stack]:
    """The tenant's control API. Faults and keys are reset after the test."""
    stack = Stack.of(tenant)
    yield stack
    stack.control("POST", "reset")
