"""Only operations that the gate allowed are executed by an upstream, and it gets the bytes that the gate has read."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import pytest
from mcp.server.transport_security import TransportSecuritySettings

from tests.server.auth.agreement.random_requests import request
from tests.server.auth.agreement.recording_server import (
    PROMPTS,
    RESOURCES,
    TEMPLATES,
    TOOLS,
    RecordingServer,
    recording_mcpserver,
)
from tests.server.auth.agreement.test_agreement import GRANTS, check_outcome
from tests.server.token_issuer import Issuer
from tests.server.upstream.guarded import gate_app
from tests.server.upstream.in_process import InProcess

EXAMPLES = 800
TABLE = {
    "tools": {name: sorted(needed) for name, needed in TOOLS.items()},
    "prompts": {name: sorted(needed) for name, needed in PROMPTS.items()},
    "resources": {name: sorted(needed) for name, needed in {**RESOURCES, **TEMPLATES}.items()},
}


class RecordingUpstream(RecordingServer):
    """The recording server without protection, behind the gate."""

    def __init__(self, issuer: Issuer, folder: Path) -> None:
        security = TransportSecuritySettings(enable_dns_rebinding_protection=False)
        self._inner = recording_mcpserver().streamable_http_app(
            stateless_http=True, json_response=True, transport_security=security
        )
        self.upstream = InProcess(self._inner)
        self.app = gate_app(self.upstream, issuer, folder, table=TABLE)
        self._portal = None

    @asynccontextmanager
    async def _lifespan(self) -> AsyncIterator[None]:
        async with self._inner.router.lifespan_context(self._inner), self.app.router.lifespan_context(self.app):
            yield


@pytest.fixture(scope="module")
def server(_generated: Issuer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RecordingUpstream]:
    with RecordingUpstream(_generated, tmp_path_factory.mktemp("upstream")).running() as running:
        assert isinstance(running, RecordingUpstream)
        yield running


def test_each_executed_operation_was_allowed_and_arrived_as_it_was_sent(
    server: RecordingUpstream, issuer: Issuer
) -> None:
    tokens: dict[str, Any] = {name: issuer.token(scope=" ".join(sorted(given))) for name, given in GRANTS.items()}
    tally: Counter[str] = Counter()
    callers = [*tokens, "both", "both", "one", "one"]
    for seed in range(EXAMPLES):
        random = Random(seed)
        caller = random.choice(callers)
        made = request(random, f"Bearer {tokens[caller]}")
        server.upstream.requests.clear()
        outcome = server.ask(made)
        check_outcome(outcome, GRANTS[caller], tally)
        passed = server.upstream.requests
        assert len(passed) == (outcome.audit[0]["decision"] == "allow"), (seed, outcome)
        for each in passed:
            assert each.content == (b"".join(made.chunks) if made.method == "POST" else b""), seed
            assert not {"authorization", "cookie"} & set(each.headers), seed
    expected = {"executed with 0": 15, "executed with 1": 20, "executed with 2": 1, "allow 200": 50, "refuse 400": 50}
    assert {what for what, count in expected.items() if tally[what] < count} == set(), tally
