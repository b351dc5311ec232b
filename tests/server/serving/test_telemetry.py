"""Traces: sent only if a standard variable is set; an error names a missing package."""

from __future__ import annotations

import sys

import pytest

from gatehouse_server.serving.telemetry import TelemetryMissing, export_traces

ENDPOINTS = ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"]


def test_no_traces_are_sent_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ENDPOINTS:
        monkeypatch.delenv(name, raising=False)
    assert export_traces() is False


@pytest.mark.parametrize("name", ENDPOINTS)
def test_the_error_for_a_missing_exporter_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "http://localhost:4318")
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(TelemetryMissing, match=r"pip install 'gatehouse-server\[otel\]'"):
        export_traces()
