"""The misconfigurations that people really have: what the client and the person then see."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.stack.test_other_clients import CALLBACK, Memory, nobody, preregistered, signed_in
from tests.support.stack import Stack


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@contextmanager
def misconfigured(stack: Stack, preset: str) -> Iterator[None]:
    """The tenant with that mistake in it. The mistake is fixed afterwards."""
    stack.control("POST", f"presets/{preset}")
    try:
        yield
    finally:
        stack.control("POST", "reset")


@pytest.mark.parametrize(
    ("preset", "code", "told"),
    [
        ("slash-mismatch", 3, "Service not found"),
        ("no-client-grant", 3, "not authorized to access resource server"),
        ("role-missing", 4, "access:mcp"),
        ("hs256-api", 3, "RS256"),
    ],
)
def test_the_agent_says_what_the_tenant_lacks(stack: Stack, home: Path, preset: str, code: int, told: str) -> None:
    with misconfigured(stack, preset):
        refused = stack.gatehouse("call", "get_time", home=home)
    assert refused.returncode == code, refused.stderr
    assert told in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize(
    "preset", ["opaque-token", "resource-profile-off", "default-audience", "no-domain-connection", "dcr-off"]
)
def test_the_agent_is_not_troubled_by_what_other_clients_stumble_over(stack: Stack, home: Path, preset: str) -> None:
    with misconfigured(stack, preset):
        answer = stack.gatehouse("call", "whoami", home=home)
    assert answer.returncode == 0, answer.stderr


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("preset", "told"),
    [
        ("opaque-token", "asked for no audience"),
        ("resource-profile-off", "asked for no audience"),
        ("default-audience", "The token is not for"),
    ],
)
async def test_a_client_that_sends_only_resource_gets_a_token_that_the_server_explains(
    stack: Stack, preset: str, told: str
) -> None:
    storage = preregistered(stack)
    with misconfigured(stack, preset), pytest.raises(BaseExceptionGroup):
        await whoami(stack, storage)
    assert storage.tokens is not None
    refusal = stack.call(storage.tokens.access_token)
    assert refusal.status_code == 401
    assert told in refusal.json()["error_description"]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("preset", "told"),
    [("no-domain-connection", "no connections enabled for the client"), ("dcr-off", "Registration failed")],
)
async def test_a_client_that_nobody_registered_is_turned_away_by_the_tenant(
    stack: Stack, preset: str, told: str
) -> None:
    with misconfigured(stack, preset), pytest.raises(BaseExceptionGroup) as raised:
        await whoami(stack, nobody(stack))
    assert any(told in str(error) for error in leaves(raised.value)), [*leaves(raised.value)]


async def whoami(stack: Stack, storage: Memory) -> None:
    """Sign in with the SDK's client and call a tool."""
    callback = stack.variables.get("OAUTH_CALLBACK_URI", CALLBACK)
    async with signed_in(stack, storage, callback, "auto") as client:
        await client.call_tool("whoami", {})


def leaves(error: BaseException) -> Iterator[BaseException]:
    """The single errors of a group of groups."""
    if isinstance(error, BaseExceptionGroup):
        for part in error.exceptions:
            yield from leaves(part)
    else:
        yield error
