"""One trace leads from the agent's command to the tool. Without a receiver, nobody makes spans."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.free_ports import free_port
from tests.support.otlp import ancestors, receiver, the_only
from tests.support.stack import NO_BROWSER, LocalStack, Stack

SECRETS = ("eyJ", "demo-secret")


def test_the_spans_of_agent_gate_and_tool_are_one_trace(tmp_path: Path) -> None:
    stack = LocalStack.on_free_ports(tmp_path)
    home = tmp_path / "home"
    home.mkdir()
    with receiver() as traces:
        export = {"OTEL_EXPORTER_OTLP_ENDPOINT": traces.url}
        with stack.tenant(), stack.server(**export):
            assert stack.gatehouse("login", home=home).returncode == 0
            done = stack.gatehouse("call", "whoami", home=home, browser=NO_BROWSER, **export)
            assert done.returncode == 0, done.stderr
        spans = traces.spans()
    command = the_only(spans, "gatehouse-client", "gatehouse call")
    trace = [span for span in spans if span.trace == command.trace]
    sent = the_only(trace, "gatehouse-client", "MCP send tools/call whoami")
    tool = the_only(trace, "gatehouse-server", "tools/call whoami")
    assert ancestors(tool, trace) == [tool, sent, command]
    (gate,) = (span for span in trace if span.name == "POST /mcp" and span.parent == sent.id)
    assert gate.attributes["gatehouse.reason"] == "allowed"
    assert ancestors(gate, trace) == [gate, sent, command]
    assert not [secret for secret in SECRETS if secret.encode() in b"".join(traces.bodies())]


def test_a_refused_request_has_a_span_with_its_reason(tmp_path: Path) -> None:
    stack = LocalStack.on_free_ports(tmp_path)
    with receiver() as traces:
        with stack.tenant(), stack.server(OTEL_EXPORTER_OTLP_ENDPOINT=traces.url):
            assert stack.call(stack.mint(variant="expired")).status_code == 401
        (span,) = traces.spans()
    assert span.attributes["gatehouse.reason"] == "token_expired"


@pytest.mark.parametrize("command", [("call", "whoami"), ("whoami",)])
def test_a_receiver_that_does_not_answer_changes_no_command(
    stack: Stack, alice_home: Path, command: tuple[str]
) -> None:
    nobody = f"http://127.0.0.1:{free_port()}"
    plain = stack.gatehouse(*command, home=alice_home, browser=NO_BROWSER)
    traced = stack.gatehouse(*command, home=alice_home, browser=NO_BROWSER, OTEL_EXPORTER_OTLP_ENDPOINT=nobody)
    assert traced.returncode == plain.returncode == 0
    assert traced.stderr == plain.stderr
