"""One trace leads from the agent through Caddy to the tool."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.documents import the_block
from tests.support.free_ports import free_port
from tests.support.otlp import ancestors, receiver, the_only
from tests.support.processes import wait_for_status
from tests.support.stack import NO_BROWSER, LocalStack
from tests.worlds.conftest import RUNTIME
from tests.worlds.test_reverse_proxies import CADDYFILE, caddy


@pytest.mark.skipif(RUNTIME == "docker", reason="it needs no stack in Docker")
def test_the_spans_of_agent_gateway_gate_and_tool_are_one_trace(tmp_path: Path) -> None:
    port, folder, home = free_port(), tmp_path / "proxy", tmp_path / "home"
    folder.mkdir()
    home.mkdir()
    local = LocalStack.on_free_ports(tmp_path)
    url = f"http://localhost:{port}/gatehouse/mcp"
    settings = {**local.variables, "MCP_PUBLIC_URL": url, "AUTH0_AUDIENCE": url}
    stack = replace(local, mcp_url=url, audience=url, variables=settings)
    assert "# tracing" in CADDYFILE
    with receiver() as traces:
        export = {"OTEL_EXPORTER_OTLP_ENDPOINT": traces.url}
        of_caddy = {**export, "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf", "OTEL_SERVICE_NAME": "caddy"}
        server = {**export, "MCP_PUBLIC_URL": url, "TRUSTED_PROXIES": "127.0.0.1"}
        with (
            stack.tenant(),
            stack.server(**server),
            caddy(folder, port, stack.mcp_port, CADDYFILE.replace("# tracing", "tracing"), **of_caddy),
        ):
            wait_for_status(f"http://localhost:{port}/", 404)
            assert stack.gatehouse("login", home=home).returncode == 0
            done = stack.gatehouse("call", "whoami", home=home, browser=NO_BROWSER, **export)
            assert done.returncode == 0, done.stderr
        spans = traces.spans()
    command = the_only(spans, "gatehouse-client", "gatehouse call")
    trace = [span for span in spans if span.trace == command.trace]
    sent = the_only(trace, "gatehouse-client", "MCP send tools/call whoami")
    (gateway,) = (span for span in trace if span.service == "caddy" and span.parent == sent.id)
    (gate,) = (span for span in trace if span.service == "gatehouse-server" and span.parent == gateway.id)
    tool = the_only(trace, "gatehouse-server", "tools/call whoami")
    assert gate.attributes["gatehouse.reason"] == "allowed"
    assert ancestors(gate, trace) == [gate, gateway, sent, command]
    assert ancestors(tool, trace) == [tool, sent, command]
    picture = re.findall(r"^[ │├└─]*(.+?)  +", the_block("docs/monitoring.md", "Traces", "text"), re.MULTILINE)
    prefix = "/gatehouse"  # of the proxy here
    assert picture == [span.name.replace(prefix, "") for span in (command, sent, gateway, gate, tool)]
