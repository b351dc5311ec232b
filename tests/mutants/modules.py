"""The modules that are mutated, and the tests that must notice each mutant."""

from __future__ import annotations

from typing import NamedTuple


class Module(NamedTuple):
    """A module and its tests.

    Attributes:
        path: of the module, from the root of the clone.
        tests: files or folders. A run needs all of them once, and then for each mutant those that reach its function.
    """

    path: str
    tests: tuple[str, ...]


_AUTH = "server/src/gatehouse_server/auth"
_TESTS = "tests/server/auth"
_PROTOCOL = "client/src/gatehouse_client/signin/protocol"
_PROTOCOL_TESTS = "tests/client/signin/protocol"

MODULES = {
    "gate": Module(
        f"{_AUTH}/gate.py",
        (
            f"{_TESTS}/test_gate.py",
            f"{_TESTS}/test_gate_and_app.py",
            f"{_TESTS}/test_bodies.py",
            f"{_TESTS}/test_audit.py",
            "tests/server/adapters/test_streams_of_calls.py",
            "tests/server/serving/test_metrics.py",
            "tests/server/upstream/test_hostile_requests.py",
        ),
    ),
    "tokens": Module(
        f"{_AUTH}/verify/tokens.py",
        (
            f"{_TESTS}/verify/test_tokens.py",
            f"{_TESTS}/verify/test_shapes.py",
            f"{_TESTS}/verify/test_caller_cache.py",
            f"{_TESTS}/provider/test_introspection.py",
        ),
    ),
    "permissions": Module(
        f"{_AUTH}/permissions.py",
        (
            f"{_TESTS}/test_permissions.py",
            f"{_TESTS}/test_permission_table.py",
            "tests/server/adapters/test_visibility.py",
            "tests/server/adapters/test_lowlevel.py",
            "tests/server/example/test_permissions_page.py",
        ),
    ),
    "keys": Module(
        f"{_AUTH}/provider/keys.py",
        (
            f"{_TESTS}/provider/test_keys.py",
            f"{_TESTS}/provider/test_provider_limits.py",
            f"{_TESTS}/provider/test_tenant_metadata.py",
            f"{_TESTS}/verify/test_profiles.py",
            "tests/server/serving/test_metrics.py",
        ),
    ),
    "discovery": Module(f"{_PROTOCOL}/discovery.py", (f"{_PROTOCOL_TESTS}/test_discovery.py",)),
    "registration": Module(f"{_PROTOCOL}/registration.py", (f"{_PROTOCOL_TESTS}/test_registration.py",)),
}
