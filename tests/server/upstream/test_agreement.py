"""Only operations that the gate allowed are executed by an upstream, and it gets the bytes that the gate has read."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import mcp_types as types
import pytest
from mcp.server.transport_security import TransportSecuritySettings

from gatehouse_server.adapters.upstream.stdio import InProcess as ProcessTransport
from gatehouse_server.adapters.upstream.stdio import StdioApp
from gatehouse_server.auth.permission_table import PermissionTable
from gatehouse_server.auth.request import operation_of
from tests.server.auth.agreement.random_requests import request
from tests.server.auth.agreement.recording_server import (
    BASE,
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
from tests.support.fuzzing import seeds

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


@pytest.mark.fuzz
def test_each_executed_operation_was_allowed_and_arrived_as_it_was_sent(
    server: RecordingUpstream, issuer: Issuer
) -> None:
    tokens: dict[str, Any] = {name: issuer.token(scope=" ".join(sorted(given))) for name, given in GRANTS.items()}
    tally: Counter[str] = Counter()
    callers = [*tokens, "both", "both", "one", "one"]
    for seed in seeds(EXAMPLES):
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


RESULTS: dict[str, types.Result] = {
    "tools/list": types.ListToolsResult(tools=[]),
    "tools/call": types.CallToolResult(content=[]),
    "prompts/list": types.ListPromptsResult(prompts=[]),
    "prompts/get": types.GetPromptResult(messages=[]),
    "resources/list": types.ListResourcesResult(resources=[]),
    "resources/templates/list": types.ListResourceTemplatesResult(resource_templates=[]),
    "resources/read": types.ReadResourceResult(contents=[]),
    "completion/complete": types.CompleteResult(completion=types.Completion(values=[])),
}


class RecordingProcesses:
    """Stands for the processes of a command: it records what a process would get."""

    server_info = instructions = None
    server_capabilities = types.ServerCapabilities(
        tools=types.ToolsCapability(),
        prompts=types.PromptsCapability(),
        resources=types.ResourcesCapability(),
        completions=types.CompletionsCapability(),
    )

    def __init__(self) -> None:
        self.session = self
        self.got: list[tuple[str | None, str, dict[str, Any]]] = []
        self._subject: str | None = None

    @asynccontextmanager
    async def client(self, subject: str | None) -> AsyncIterator[RecordingProcesses]:
        self._subject = subject
        yield self

    async def send_request(self, request: Any, _kind: Any, **_: Any) -> types.Result:
        self.got.append((self._subject, request.method, request.params))
        return RESULTS[request.method]

    async def aclose(self) -> None:
        """Nothing to end."""


class RecordingCommand(RecordingServer):
    """The gate in front of a command."""

    def __init__(self, issuer: Issuer, folder: Path) -> None:
        self.processes = RecordingProcesses()
        transport = ProcessTransport(StdioApp(self.processes, answer_seconds=5))  # type: ignore[arg-type]
        self.app = gate_app(transport, issuer, folder, table=TABLE)
        self._portal = None


def test_a_process_gets_only_what_was_allowed_for_its_own_subject(issuer: Issuer, tmp_path: Path) -> None:
    tokens = {name: issuer.token(scope=" ".join(sorted(given)), sub=name) for name, given in GRANTS.items()}
    table, tally = PermissionTable(**TABLE), Counter[str]()
    with RecordingCommand(issuer, tmp_path).running() as server:
        assert isinstance(server, RecordingCommand)
        for seed in range(500):
            random = Random(seed)
            caller = random.choice([*tokens, "both", "one"])
            made = request(random, f"Bearer {tokens[caller]}")
            server.processes.got.clear()
            outcome = server.ask(made)
            assert outcome.status < 500, (seed, outcome)
            for subject, method, params in server.processes.got:
                operation, line = operation_of(method, params), outcome.audit[0]
                assert (subject, line["decision"], line["operation"]) == (caller, "allow", method), seed
                assert line.get("target", "") == operation.name[:128], seed
                for target in operation.targets:
                    needed = table.needed(target)
                    assert needed is not None, seed
                    assert {BASE, *needed} <= GRANTS[caller], seed
                    tally[f"needs {len(needed)}"] += 1
    assert tally["needs 0"] > 10, tally
    assert tally["needs 1"] > 10, tally
