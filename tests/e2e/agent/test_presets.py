"""Common misconfigurations of a tenant: what clients and users see then."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.sdk_client import CALLBACK, MemoryStorage, preregistered, sdk_client, unregistered
from tests.support.stack import Stack


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.parametrize(
    ("preset", "code", "expected"),
    [
        ("slash-mismatch", 3, "Service not found"),
        ("no-client-grant", 3, "not authorized to access resource server"),
        ("role-missing", 4, "access:mcp"),
        ("hs256-api", 3, "RS256"),
    ],
)
def test_the_agent_names_the_misconfiguration(stack: Stack, home: Path, preset: str, code: int, expected: str) -> None:
    with stack.misconfigured(preset):
        refused = stack.gatehouse("call", "get_time", home=home)
    assert refused.returncode == code, refused.stderr
    assert expected in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize(
    "preset", ["opaque-token", "resource-profile-off", "default-audience", "no-domain-connection", "dcr-off"]
)
def test_the_agent_works_with_misconfigurations_that_break_other_clients(stack: Stack, home: Path, preset: str) -> None:
    with stack.misconfigured(preset):
        answer = stack.gatehouse("call", "whoami", home=home)
    assert answer.returncode == 0, answer.stderr


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("preset", "expected"),
    [
        ("opaque-token", "asked for no audience"),
        ("resource-profile-off", "asked for no audience"),
        ("default-audience", "The token is not for"),
    ],
)
async def test_the_server_explains_the_wrong_token_of_a_client_that_sends_only_resource(
    stack: Stack, preset: str, expected: str
) -> None:
    storage = preregistered(stack)
    with stack.misconfigured(preset), pytest.raises(BaseExceptionGroup):
        await whoami(stack, storage)
    assert storage.tokens is not None
    refusal = stack.call(storage.tokens.access_token)
    assert refusal.status_code == 401
    assert expected in refusal.json()["error_description"]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("preset", "expected"),
    [("no-domain-connection", "no connections enabled for the client"), ("dcr-off", "Registration failed")],
)
async def test_the_tenant_refuses_an_unregistered_client(stack: Stack, preset: str, expected: str) -> None:
    with stack.misconfigured(preset), pytest.raises(BaseExceptionGroup) as raised:
        await whoami(stack, unregistered(stack))
    assert any(expected in str(error) for error in leaves(raised.value)), [*leaves(raised.value)]


async def whoami(stack: Stack, storage: MemoryStorage) -> None:
    """Sign in with the SDK's client and call a tool."""
    callback = stack.variables.get("OAUTH_CALLBACK_URI", CALLBACK)
    async with sdk_client(stack, storage, callback, "auto") as client:
        await client.call_tool("whoami", {})


def leaves(error: BaseException) -> Iterator[BaseException]:
    """The errors inside nested groups."""
    if isinstance(error, BaseExceptionGroup):
        for part in error.exceptions:
            yield from leaves(part)
    else:
        yield error
