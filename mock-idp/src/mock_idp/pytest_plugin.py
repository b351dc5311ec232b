"""Fixtures for other projects' tests. Import them into a conftest.py:

from mock_idp.pytest_plugin import start_offline_tenant  # noqa: F401
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from .state.clock import Clock
from .state.signing_keys import KeyRing, new_key_ring
from .testing import OfflineTenant, offline_tenant

StartOfflineTenant = Callable[..., OfflineTenant]


@pytest.fixture(scope="session")
def offline_tenant_keys() -> KeyRing:
    """One set of keys for all tenants of a test run, because making keys is slow."""
    return new_key_ring("localhost", Clock().now())


@pytest.fixture
def start_offline_tenant(offline_tenant_keys: KeyRing) -> Iterator[StartOfflineTenant]:
    """A function that starts a tenant, with the arguments of `mock_idp.testing.offline_tenant`."""
    with ExitStack() as stack:
        yield lambda *files, **options: stack.enter_context(
            offline_tenant(*files, **{"keys": offline_tenant_keys, **options})
        )
