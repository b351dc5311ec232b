"""Metrics for Prometheus, on a separate port: the public port never serves them."""

from __future__ import annotations

import collections
import itertools
import platform
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import version
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, GCCollector, Metric, ProcessCollector, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from .. import __version__

if TYPE_CHECKING:
    from ..auth.audit import AuditRecord
    from ..auth.provider.keys import SigningKeys
    from ..auth.streams import Streams

_DECISION = "decision", "reason", "status"
_OUTCOME = ("outcome",)
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, float("inf"))
"""Upper bounds in seconds."""


_STATUS = ("none", "1xx", "2xx", "3xx", "4xx", "5xx", "other", "other", "other", "other")
"""By the hundreds of an answer's status. None: the client left before the answer."""

_TENANT = "failed", "rate_limited"


class Metrics:
    """The metrics of one process. Several protected apps of a process may share them.

    No caller can create a label value: each label has few values, which docs/monitoring.md names.

    Args:
        registry: the registry that collects them; by default a new one, which also has those of the process.
    """

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        self._in_flight = 0
        self._watched: list[tuple[SigningKeys, Streams]] = []
        self._decisions = _Counter(
            "gatehouse_decisions", "Requests by decision, reason and class of the status", _DECISION
        )
        self._calls = _Histogram("gatehouse_call_seconds", "Time of allowed calls", ("method", "target"))
        self._refusals = _Histogram("gatehouse_refusal_seconds", "Time of refused requests", ("reason",))
        self._lookups = _Counter("gatehouse_token_cache", "Look-ups of verified tokens", _OUTCOME, ("hit", "miss"))
        self._key_fetches = _Counter(
            "gatehouse_key_fetches", "Fetches of the tenant's signing keys", _OUTCOME, ("ok", *_TENANT)
        )
        asked = "active", "inactive", *_TENANT
        self._introspections = _Counter(
            "gatehouse_introspections",
            "Requests to the provider about a token",
            _OUTCOME,
            asked,
        )
        self._exchanges = _Counter(
            "gatehouse_exchanges", "Tokens requested for other APIs", _OUTCOME, ("ok", "cached", "refused", *_TENANT)
        )
        collectors = [self._decisions, self._calls, self._refusals, self._lookups]
        for collector in (*collectors, self._key_fetches, self._introspections, self._exchanges, _Now(self._now)):
            self.registry.register(collector)
        if registry is None:
            ProcessCollector(registry=self.registry)
            GCCollector(registry=self.registry)

    def began(self) -> None:
        """Count a request that has arrived."""
        self._in_flight += 1

    def ended(self, record: AuditRecord, label: tuple[str, str] | None) -> None:
        """Count a request that has ended.

        Args:
            label: method and target of an allowed call; None for a refused request.
        """
        self._in_flight -= 1
        self._decisions.counts[record.decision, record.reason, _STATUS[record.status // 100]] += 1
        if label is None:
            self._refusals.add((record.reason,), record.duration)
        else:
            self._calls.add(label, record.duration)

    def count_lookup(self, outcome: str) -> None:
        """Count a token that was cached (`hit`) or not (`miss`)."""
        self._lookups.counts[(outcome,)] += 1

    def count_key_fetch(self, outcome: str) -> None:
        """Count a fetch of the signing keys: `ok`, `failed` or `rate_limited`."""
        self._key_fetches.counts[(outcome,)] += 1

    def count_introspection(self, outcome: str) -> None:
        """Count a request about a token: `active`, `inactive`, `failed` or `rate_limited`."""
        self._introspections.counts[(outcome,)] += 1

    def count_exchange(self, outcome: str) -> None:
        """Count a token for another API: `ok`, `cached`, `refused`, `failed` or `rate_limited`.

        Pass this method to `TokenExchange(on_exchange=...)`.
        """
        self._exchanges.counts[(outcome,)] += 1

    def watch(self, keys: SigningKeys, streams: Streams) -> None:
        """Show the age of these keys, and how many of these streams are open."""
        self._watched.append((keys, streams))

    def _now(self) -> Iterator[Metric]:
        """What is measured when it is asked for. Of several apps, the worst keys count."""
        build = GaugeMetricFamily("gatehouse_build_info", "Versions: always 1", labels=("version", "mcp", "python"))
        build.add_metric((__version__, version("mcp"), platform.python_version()), 1)
        yield build
        yield GaugeMetricFamily("gatehouse_in_flight", "Requests that run, open streams included", self._in_flight)
        streams = sum(each.open for _, each in self._watched)
        yield GaugeMetricFamily("gatehouse_streams_open", "Open event streams", streams)
        if self._watched:
            left = min(keys.left() for keys, _ in self._watched)
            help_text = "Time for which the signing keys are still used if no fetch succeeds"
            yield GaugeMetricFamily("gatehouse_keys_left_seconds", help_text, left)
        ages = [age for keys, _ in self._watched if (age := keys.age()) is not None]
        if ages:
            help_text = "Time since the signing keys were fetched; missing without keys"
            yield GaugeMetricFamily("gatehouse_keys_age_seconds", help_text, max(ages))

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

    Args:
        values: the known values of its only label. They begin at 0: Prometheus does not see the increase from nothing
            to 1.

    Attributes:
        counts: the counts by the labels' values.
    """

    def __init__(self, name: str, help_text: str, labels: tuple[str, ...], values: Iterable[str] = ()) -> None:
        self.counts: collections.Counter[tuple[str, ...]] = collections.Counter({(value,): 0 for value in values})
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


class _Now(Collector):
    """Families that are made when the registry asks for them."""

    def __init__(self, families: Callable[[], Iterator[Metric]]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        """The metric families; the registry calls this from its own thread."""
        return self._families()
