"""OpenTelemetry traces, if a standard OTLP variable is set.

The MCP SDK makes a span for every message.
"""

from __future__ import annotations

import logging
import os

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
