"""Figures for Prometheus, on a port of their own: the public port never serves them."""

from __future__ import annotations

import collections
from collections.abc import Iterator
from functools import lru_cache

from prometheus_client import CollectorRegistry, Histogram, start_http_server
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector


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
        for count in (self._decisions, self._key_fetches, self._lookups):
            self.registry.register(count)
        calls = Histogram(
            "gatehouse_call_seconds", "Time of allowed calls", ["method", "target"], registry=self.registry
        )
        # Finding a series by its labels costs more than observing. There are few; the caller cannot make up others.
        self._call = lru_cache(1024)(calls.labels)

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
        self._call(*labels).observe(seconds)

    def serve(self, host: str, port: int) -> None:
        """Serve them in a thread of their own.

        Raises:
            OSError: the port is taken.
        """
        start_http_server(port, host, self.registry)


class _Count(Collector):
    """A counter that only the event loop counts up: it needs no lock, and several are on the way of every request.

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
