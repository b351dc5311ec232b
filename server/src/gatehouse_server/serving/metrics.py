"""Figures for Prometheus, on a port of their own: the public port never serves them."""

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
    """The figures of one protected server.

    Args:
        registry: where they are collected; a new one unless given.
    """

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        self._decisions = _Count("gatehouse_decisions", "Decisions of the gate", ("decision", "reason"))
        self._key_fetches = _Count("gatehouse_key_fetches", "Fetches of the tenant's signing keys", ("outcome",))
        self._lookups = _Count("gatehouse_token_cache", "Look-ups of verified tokens", ("outcome",))
        self._calls = _Durations("gatehouse_call_seconds", "Time of allowed calls", ("method", "target"))
        for figures in (self._decisions, self._key_fetches, self._lookups, self._calls):
            self.registry.register(figures)

    def count_decision(self, decision: str, reason: str) -> None:
        """The gate let a request pass (`allow`) or not (`refuse`)."""
        self._decisions.of[decision, reason] += 1

    def count_key_fetch(self, outcome: str) -> None:
        """A fetch of the signing keys ended `ok` or `failed`."""
        self._key_fetches.of[(outcome,)] += 1

    def count_lookup(self, outcome: str) -> None:
        """A token was known already (`hit`) or not (`miss`)."""
        self._lookups.of[(outcome,)] += 1

    def observe(self, labels: tuple[str, str], seconds: float) -> None:
        """An allowed call of that method and target took that long."""
        self._calls.add(labels, seconds)

    def serve(self, host: str, port: int) -> None:
        """Serve them in a thread of their own.

        Raises:
            OSError: the port is taken.
        """
        start_http_server(port, host, self.registry)


# Only the event loop counts: none of these needs a lock, and several are on the way of every request.


class _Count(Collector):
    """How often something happened.

    Attributes:
        of: how often, by the labels' values.
    """

    def __init__(self, name: str, help_text: str, labels: tuple[str, ...]) -> None:
        self.of: collections.Counter[tuple[str, ...]] = collections.Counter()
        self._described = name, help_text, labels

    def collect(self) -> Iterator[CounterMetricFamily]:
        """What the registry asks for, from its own thread."""
        name, help_text, labels = self._described
        family = CounterMetricFamily(name, help_text, labels=labels)
        for values, count in self.of.copy().items():
            family.add_metric(values, count)
        yield family


class _Durations(Collector):
    """How long something took."""

    def __init__(self, name: str, help_text: str, labels: tuple[str, ...]) -> None:
        self._of: dict[tuple[str, ...], tuple[list[int], list[float]]] = {}
        self._described = name, help_text, labels

    def add(self, labels: tuple[str, ...], seconds: float) -> None:
        """It took that long once more."""
        series = self._of.get(labels)
        if series is None:
            series = self._of[labels] = [0] * len(_BUCKETS), [0.0]
        counts, total = series
        counts[bisect_left(_BUCKETS, seconds)] += 1
        total[0] += seconds

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """What the registry asks for, from its own thread."""
        name, help_text, labels = self._described
        family = HistogramMetricFamily(name, help_text, labels=labels)
        for values, (counts, total) in self._of.copy().items():
            bounds = zip(map(floatToGoString, _BUCKETS), itertools.accumulate(counts), strict=True)
            family.add_metric(values, list(bounds), total[0])
        yield family
