"""Processes on free ports: a tenant, a normal server, and a server whose keys expire at once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.security.server_process import ServerProcess, running_server
from tests.support.processes import wait_for_status
from tests.support.stack import LocalStack


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def tenant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    """The running offline tenant, without its server."""
    stack = LocalStack.on_free_ports(tmp_path_factory.mktemp("security"))
    with stack.tenant():
        yield stack


@pytest.fixture(scope="session")
def server(tenant: LocalStack) -> Iterator[ServerProcess]:
    """The server with its normal limits."""
    with running_server(tenant) as running:
        wait_for_status(f"{running.origin}/readyz", 200)
        yield running


@pytest.fixture(scope="session")
def _short_lived(tenant: LocalStack) -> Iterator[ServerProcess]:
    with running_server(tenant, "short_lived_keys") as running:
        yield running


@pytest.fixture
def short_lived(tenant_reset_after: LocalStack, _short_lived: ServerProcess) -> ServerProcess:
    """A ready server whose keys expire at once."""
    wait_for_status(f"{_short_lived.origin}/readyz", 200)
    return _short_lived


@pytest.fixture
def tenant_reset_after(tenant: LocalStack) -> Iterator[LocalStack]:
    """The running tenant. Its faults and keys are reset after the test."""
    yield tenant
    tenant.control("POST", "reset")
