"""OpenTelemetry traces, if a standard OTLP variable is set.

The MCP SDK makes a span for every message. Without a collector the spans are left out.
"""

from __future__ import annotations

import logging
import os

from mcp.server._otel import OpenTelemetryMiddleware
from mcp.server.mcpserver import MCPServer
from opentelemetry.trace import ProxyTracerProvider, get_tracer_provider

logger = logging.getLogger(__name__)

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


class TelemetryMissing(RuntimeError):
    """Traces are requested, but the packages that send them are not installed."""


def export_traces() -> bool:
    """Send spans to the OTLP endpoint in the environment. Returns whether there is one.

    Raises:
        TelemetryMissing: the `otel` extra is not installed.
    """
    if not any(os.environ.get(name) for name in _ENDPOINTS):
        return False
    try:
        from opentelemetry import trace
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise TelemetryMissing(
            f"OTEL_EXPORTER_OTLP_ENDPOINT is set, but {error.name} is not installed:"
            " pip install 'gatehouse-server[otel]'"
        ) from error
    service = os.environ.get("OTEL_SERVICE_NAME") or "gatehouse-server"
    provider = TracerProvider(resource=Resource.create({"service.name": service}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    return True


def leave_out_unused_spans(mcp: MCPServer) -> None:
    """Remove the SDK's span for each message if nothing collects spans: it costs nearly a tenth of a small call."""
    if isinstance(get_tracer_provider(), ProxyTracerProvider):
        mcp.middleware[:] = [item for item in mcp.middleware if not isinstance(item, OpenTelemetryMiddleware)]
