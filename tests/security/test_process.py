"""The server as a process: metrics, traces, audit trail, and shutdown."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from mcp_types import CLIENT_CAPABILITIES_META_KEY, PROTOCOL_VERSION_META_KEY

from gatehouse_server import __version__
from tests.security.server_process import HEADERS, SECONDS, ServerProcess
from tests.support.free_ports import free_port
from tests.support.otlp import Receiver, receiver
from tests.support.processes import TLS
from tests.support.stack import LocalStack

CALL = {"jsonrpc": "2.0", "id": 1, "method": "tools/call"}
COUNT = {"name": "count_down", "arguments": {"steps": 2, "seconds": 0.5}, "_meta": {"progressToken": 1}}


@pytest.fixture
def collector() -> Iterator[Receiver]:
    with receiver() as running:
        yield running


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=str)
def test_at_a_signal_the_server_finishes_the_running_call_and_sends_its_traces(
    tenant: LocalStack, tmp_path: Path, collector: Receiver, number: signal.Signals
) -> None:
    port = free_port()
    token = tenant.mint()
    variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "3600000"}
    log = tenant.folder / "gatehouse_server.log"
    before = log.stat().st_size if log.exists() else 0
    with tenant.server(port=port, **variables) as process, httpx2.Client(timeout=SECONDS) as http:
        headers = {**HEADERS, "Authorization": f"Bearer {token}"}
        url = f"http://localhost:{port}/mcp"
        with http.stream("POST", url, headers=headers, json={**CALL, "params": COUNT}) as answer:
            lines = (line for line in answer.iter_lines() if line.startswith("data: {"))
            assert "notifications/progress" in next(lines)
            process.send_signal(number)
            rest = [json.loads(line.removeprefix("data: ")) for line in lines]
        assert process.wait(SECONDS) == 0
    assert rest[-1]["result"]["content"][0]["text"] == "Counted down 2 steps."
    assert "Traceback" not in log.read_text(encoding="utf-8")[before:]
    traces = b"".join(collector.bodies())
    assert b"tools/call count_down" in traces
    assert b"gatehouse-server" in traces
    assert not [part for part in token.split(".") if part.encode() in traces]


def test_at_a_signal_an_open_stream_is_ended_and_not_cut(tenant: LocalStack) -> None:
    meta = {PROTOCOL_VERSION_META_KEY: "2026-07-28", CLIENT_CAPABILITIES_META_KEY: {}}
    params = {"notifications": {"toolsListChanged": True}, "_meta": meta}
    body = {"jsonrpc": "2.0", "id": 1, "method": "subscriptions/listen", "params": params}
    headers = {**HEADERS, "MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "subscriptions/listen"}
    port = free_port()
    with tenant.server(port=port) as process:
        headers["Authorization"] = f"Bearer {tenant.mint()}"
        url = f"http://localhost:{port}/mcp"
        with httpx2.stream("POST", url, headers=headers, json=body, timeout=SECONDS, verify=TLS) as stream:
            assert stream.status_code == 200, stream.read()
            pieces = stream.iter_bytes()
            assert next(pieces).startswith(b": open")
            process.send_signal(signal.SIGTERM)
            list(pieces)  # an answer that is cut is an error here


def test_metrics_are_served_on_a_separate_port(server: ServerProcess) -> None:
    server.ask(server.stack.mint())
    server.ask(server.stack.mint(variant="expired"))
    metrics = httpx2.get(f"{server.metrics_url}/metrics", timeout=SECONDS).text
    assert 'gatehouse_decisions_total{decision="allow",reason="allowed",status="2xx"}' in metrics
    assert 'gatehouse_decisions_total{decision="refuse",reason="token_expired",status="4xx"}' in metrics
    assert 'gatehouse_key_fetches_total{outcome="ok"}' in metrics
    assert 'gatehouse_call_seconds_count{method="tools/list",target=""}' in metrics
    assert f'version="{__version__}"}} 1.0' in metrics
    assert "process_cpu_seconds_total" in metrics
    assert httpx2.get(f"{server.origin}/metrics").status_code == 404


def test_standard_output_has_only_decisions(server: ServerProcess) -> None:
    server.ask(server.stack.mint())
    lines = (server.folder / "gatehouse_server.out").read_text(encoding="utf-8").splitlines()
    assert lines
    assert all(json.loads(line)["decision"] in ("allow", "refuse") for line in lines)


@pytest.mark.requirement("S12")
def test_the_hierarchy_of_the_example_server_is_used(server: ServerProcess) -> None:
    arguments = {"time": "2026-07-28T09:30", "from_timezone": "Asia/Tokyo", "to_timezone": "UTC"}
    call = {**CALL, "params": {"name": "convert_time", "arguments": arguments}}
    granted = {"scope": "access:mcp time:admin", "permissions": ["access:mcp", "time:admin"]}
    answer = server.stack.call(server.stack.mint(claims=granted), call)
    assert answer.status_code == 200, answer.text
    assert answer.json()["result"]["structuredContent"]["time"] == "2026-07-28T00:30:00+00:00"


@pytest.mark.requirement("S17")
def test_the_tenant_receives_a_callers_token_only_for_an_exchange(server: ServerProcess) -> None:
    server.stack.control("DELETE", "requests")
    for _ in range(3):
        assert server.ask(server.stack.mint())[0].status_code == 200
    assert httpx2.get(f"{server.origin}/readyz").status_code == 200
    seen = server.stack.control("GET", "requests").json()["requests"]
    assert [request["tokens"] for request in seen if request["tokens"]] == []
