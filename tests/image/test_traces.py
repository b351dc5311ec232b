"""The agent's image has what it needs to send traces. `make e2e` in Docker builds it and runs this."""

from __future__ import annotations

import os
import subprocess

import pytest

from tests.support.free_ports import free_port
from tests.support.otlp import receiver, the_only


def test_a_command_in_the_agents_container_is_a_trace() -> None:
    """No server answers it: the trace is sent all the same. With the host's network it reaches the receiver here."""
    image = os.environ.get("CLIENT_IMAGE")
    if not image:
        pytest.fail("this test needs the agent's image: make e2e RUNTIME=docker", pytrace=False)
    with receiver() as traces:
        settings = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": traces.url,
            "MCP_PUBLIC_URL": f"http://127.0.0.1:{free_port()}/mcp",
        }
        options = [part for name, value in settings.items() for part in ("--env", f"{name}={value}")]
        command = ["docker", "run", "--rm", "--network", "host", *options, image, "call", "whoami"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert "cannot be reached" in done.stderr, done.stdout + done.stderr
        the_only(traces.spans(), "gatehouse-client", "gatehouse call")
