"""Metrics for Prometheus, on a separate port: the public port never serves them."""

from __future__ import annotations

import collections
import itertools
from bisect import bisect_left
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, float("inf"))
"""Upper bounds in seconds."""


class Metrics:
    """The metrics of one protected server.

    Args:
        registry: the registry that collects them; by default a new one.
    """

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        self._decisions = _Counter("gatehouse_decisions", "Decisions of the gate", ("decision", "reason"))
        self._key_fetches = _Counter("gatehouse_key_fetches", "Fetches of the tenant's signing keys", ("outcome",))
        self._lookups = _Counter("gatehouse_token_cache", "Look-ups of verified tokens", ("outcome",))
        self._calls = _Histogram("gatehouse_call_seconds", "Time of allowed calls", ("method", "target"))
        for collector in (self._decisions, self._key_fetches, self._lookups, self._calls):
            self.registry.register(collector)

    def count_decision(self, decision: str, reason: str) -> None:
        """Count a request that the gate allowed (`allow`) or refused (`refuse`)."""
        self._decisions.counts[decision, reason] += 1

    def count_key_fetch(self, outcome: str) -> None:
        """Count a fetch of the signing keys that ended `ok` or `failed`."""
        self._key_fetches.counts[(outcome,)] += 1

    def count_lookup(self, outcome: str) -> None:
        """Count a token that was cached (`hit`) or not (`miss`)."""
        self._lookups.counts[(outcome,)] += 1

    def observe(self, labels: tuple[str, str], seconds: float) -> None:
        """Record how many seconds an allowed call took, with these labels: method and target."""
        self._calls.add(labels, seconds)

    def serve(self, host: str, port: int) -> None:
        """Serve the metrics over HTTP in a separate thread, for everybody who can reach that port.

        Args:
            host: the address to listen on.
            port: the TCP port.

        Raises:
            OSError: the port is in use.
        """
        start_http_server(port, host, self.registry)


# Only the event loop changes these collectors, so they need no lock. Several change with every request.


class _Counter(Collector):
    """A counter.

    Attributes:
        counts: the counts by the labels' values.
    """

    def __init__(self, name: str, help_text: str, labels: tuple[str, ...]) -> None:
        self.counts: collections.Counter[tuple[str, ...]] = collections.Counter()
        self._description = name, help_text, labels

    def collect(self) -> Iterator[CounterMetricFamily]:
        """The metric family; the registry calls this from its own thread."""
        name, help_text, labels = self._description
        family = CounterMetricFamily(name, help_text, labels=labels)
        for values, count in self.counts.copy().items():
            family.add_metric(values, count)
        yield family


class _Histogram(Collector):
    """A histogram of durations."""

    def __init__(self, name: str, help_text: str, labels: tuple[str, ...]) -> None:
        self._series: dict[tuple[str, ...], tuple[list[int], list[float]]] = {}
        self._description = name, help_text, labels

    def add(self, labels: tuple[str, ...], seconds: float) -> None:
        """Add one duration."""
        series = self._series.get(labels)
        if series is None:
            series = self._series[labels] = [0] * len(_BUCKETS), [0.0]
        counts, total = series
        counts[bisect_left(_BUCKETS, seconds)] += 1
        total[0] += seconds

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """The metric family; the registry calls this from its own thread."""
        name, help_text, labels = self._description
        family = HistogramMetricFamily(name, help_text, labels=labels)
        for values, (counts, total) in self._series.copy().items():
            bounds = zip(map(floatToGoString, _BUCKETS), itertools.accumulate(counts), strict=True)
            family.add_metric(values, list(bounds), total[0])
        yield family
