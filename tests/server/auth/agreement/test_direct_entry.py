"""The direct way to the SDK's kernel answers and executes the same as the SDK's own HTTP entry."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

import httpx2
import pytest

from gatehouse_server.adapters import sdk
from gatehouse_server.auth.provider.keys import SigningKeys
from tests.server.auth.agreement.random_requests import request
from tests.server.auth.agreement.recording_server import BASE, A, B, Kind, Outcome, RecordingServer
from tests.server.token_issuer import JWKS_URL, Issuer

REQUESTS = 400
KINDS: tuple[Kind, ...] = ("MCPServer", "FastMCP", "low-level Server")


class Counted(sdk.DirectEntry):
    """Counts the requests that it answers."""

    answered = 0

    async def answer(self, *arguments: Any) -> bool:
        done = await super().answer(*arguments)
        Counted.answered += done
        return done


class Never(sdk.DirectEntry):
    """Leaves every request to the SDK's entry."""

    async def answer(self, *_: Any) -> bool:
        return False


@contextmanager
def running(issuer: Issuer, kind: Kind, entry: type[sdk.DirectEntry]) -> Iterator[RecordingServer]:
    http = httpx2.AsyncClient(transport=httpx2.MockTransport(issuer.handle))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sdk, "DirectEntry", entry)
        with RecordingServer(SigningKeys(JWKS_URL, "RS256", http=http), kind).running() as server:
            yield server


def outcomes(issuer: Issuer, kind: Kind, entry: type[sdk.DirectEntry], token: str) -> list[Outcome]:
    with running(issuer, kind, entry) as server:
        return [server.ask(request(Random(seed), f"Bearer {token}")) for seed in range(REQUESTS)]


def seen(outcome: Outcome) -> dict[str, Any]:
    """What the caller and the server see; without what differs in each answer."""
    text = outcome.body.decode()
    answer = json.loads(text) if text.startswith("{") else text
    if isinstance(answer, dict) and answer.get("error", {}).get("data", "") is None:
        del answer["error"]["data"]  # the entry of older revisions writes a null
    audit = [
        {k: v for k, v in line.items() if k not in ("time", "request_id", "duration_ms")} for line in outcome.audit
    ]
    return {
        "status": outcome.status,
        "answer": answer,
        "audit": audit,
        "received": repr(outcome.received),
        "executed": outcome.executed,
    }


@pytest.mark.requirement("S30")
@pytest.mark.parametrize("kind", KINDS)
def test_a_request_has_the_same_answer_and_effect_with_and_without_the_direct_way(kind: Kind, issuer: Issuer) -> None:
    token = issuer.token(scope=f"{BASE} {A} {B}")
    Counted.answered = 0
    direct, sdk_alone = (outcomes(issuer, kind, entry, token) for entry in (Counted, Never))
    for seed, (one, other) in enumerate(zip(direct, sdk_alone, strict=True)):
        assert seen(one) == seen(other), (seed, b"".join(request(Random(seed), "").chunks)[:500])
    statuses = Counter(outcome.status for outcome in direct)
    assert Counted.answered > REQUESTS / 8, statuses
