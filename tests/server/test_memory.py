"""A server keeps nothing of a call beyond its bounded caches. `make soak DO=memory` measures the processes."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Iterable

import httpx2
import pytest

from gatehouse_example.app import example_server
from gatehouse_server.auth.verify.caller_cache import CallerCache
from gatehouse_server.serving.metrics import Metrics
from tests.server.protected_server import ask, protected
from tests.server.token_issuer import Issuer

CACHED = 20


async def call_with(tokens: Iterable[str], client: httpx2.AsyncClient) -> int:
    """Call a tool with each token. Returns how many objects there are then."""
    for token in tokens:
        answer = await ask(client, token, "tools/call", {"name": "whoami", "arguments": {}})
        assert answer.status_code == 200
    await asyncio.sleep(0)  # the loop then forgets cancelled timers
    gc.collect()
    return len(gc.get_objects())


@pytest.mark.anyio
async def test_calls_with_ever_new_tokens_leave_no_objects_behind(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.root.manager, "disable", logging.CRITICAL)  # pytest keeps the records
    monkeypatch.setitem(CallerCache.__init__.__kwdefaults__, "max_callers", CACHED)
    made = iter(range(10_000))

    def tokens(count: int) -> list[str]:
        return [issuer.token(sub=f"auth0|{next(made)}", jti=f"token-{count}") for _ in range(count)]

    async with protected(example_server(), issuer.handle, metrics=Metrics()) as client:
        filled = await call_with(tokens(5 * CACHED), client)
        after = await call_with(tokens(10 * CACHED), client)
    assert after < filled + 10 * CACHED // 2, "less than an object for every second call"
