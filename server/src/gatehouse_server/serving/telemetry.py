"""OpenTelemetry traces, if a standard OTLP variable is set.

The gate makes a span for every request, and the MCP SDK one for every message. Both belong to the trace that the caller
names: in the header `traceparent` (W3C Trace Context), and in the `_meta` of the message.
"""

from __future__ import annotations

import logging
import os

from opentelemetry.propagate import extract, inject
from opentelemetry.trace import ProxyTracerProvider, SpanKind, get_current_span, get_tracer, get_tracer_provider
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..auth.audit import AuditRecord, AuditTrail

logger = logging.getLogger(__name__)

_CONTEXT = (b"traceparent", b"tracestate")
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


def traced(app: ASGIApp) -> ASGIApp:
    """The app with a span for each request, whose header `traceparent` then names that span.

    Without a tracer provider it is the app itself: a span for nobody would cost time in each request.
    """
    if isinstance(get_tracer_provider(), ProxyTracerProvider):
        return app
    tracer = get_tracer("gatehouse")

    async def tracing(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        named = {name.decode(): value.decode("latin-1") for name, value in scope["headers"] if name in _CONTEXT}
        attributes = {"http.request.method": scope["method"], "url.path": scope["path"]}
        name = f"{scope['method']} {scope['path']}"
        with tracer.start_as_current_span(name, extract(named), SpanKind.SERVER, attributes) as span:
            own: dict[str, str] = {}
            inject(own)
            others = [(name, value) for name, value in scope["headers"] if name not in _CONTEXT]
            headers = [*others, *((name.encode(), value.encode("latin-1")) for name, value in own.items())]

            async def noting(message: Message) -> None:
                if message["type"] == "http.response.start":
                    span.set_attribute("http.response.status_code", message["status"])
                await send(message)

            await app({**scope, "headers": headers}, receive, noting)

    return tracing


def noted(trail: AuditTrail) -> AuditTrail:
    """The trail, which also notes the decision in the request's span. Without a tracer provider, the trail itself."""
    if isinstance(get_tracer_provider(), ProxyTracerProvider):
        return trail

    def note(record: AuditRecord) -> None:
        attributes = {"gatehouse.decision": record.decision, "gatehouse.reason": record.reason}
        get_current_span().set_attributes({**attributes, "gatehouse.request_id": record.request_id})
        trail(record)

    return note
