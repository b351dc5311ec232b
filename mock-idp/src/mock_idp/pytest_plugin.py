"""Fixtures for tests of other projects. pytest finds them if mock-idp is installed.

def test_sign_in(offline_tenant):
    httpx2.get(f"{offline_tenant.issuer}.well-known/openid-configuration")
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

# Imported in the fixtures, because pytest loads this module in every run, also of tests without a tenant.
if TYPE_CHECKING:
    from .state.signing_keys import KeyRing
    from .testing import OfflineTenant

StartOfflineTenant = Callable[..., "OfflineTenant"]


@pytest.fixture(scope="session")
def offline_tenant_keys() -> KeyRing:
    """One set of keys for all tenants of a test run, because making keys is slow."""
    from .state.clock import Clock
    from .state.signing_keys import new_key_ring

    return new_key_ring("localhost", Clock().now())


@pytest.fixture
def start_offline_tenant(offline_tenant_keys: KeyRing) -> Iterator[StartOfflineTenant]:
    """A function that starts a tenant, with the arguments of `mock_idp.testing.offline_tenant`."""
    from .testing import offline_tenant as running

    with ExitStack() as stack:
        yield lambda *files, **options: stack.enter_context(running(*files, **{"keys": offline_tenant_keys, **options}))


@pytest.fixture
def offline_tenant(start_offline_tenant: StartOfflineTenant) -> OfflineTenant:
    """A tenant with the built-in example, new for each test. Override it in conftest.py to use your own files."""
    return start_offline_tenant()
