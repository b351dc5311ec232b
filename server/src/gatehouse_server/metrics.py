"""Figures for Prometheus, on a port of their own: the public port never serves them."""

from __future__ import annotations

from functools import lru_cache

from prometheus_client import CollectorRegistry, Counter, Histogram, start_http_server


class Metrics:
    """The figures of one protected server.

    Args:
        registry: where they are collected; a new one unless given.
    """

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        self.decisions = Counter(
            "gatehouse_decisions", "Decisions of the gate", ["decision", "reason"], registry=self.registry
        )
        self.calls = Histogram(
            "gatehouse_call_seconds", "Time of allowed calls", ["method", "target"], registry=self.registry
        )
        self.key_fetches = Counter(
            "gatehouse_key_fetches", "Fetches of the tenant's signing keys", ["outcome"], registry=self.registry
        )
        self.token_cache = Counter(
            "gatehouse_token_cache", "Look-ups of verified tokens", ["outcome"], registry=self.registry
        )
        # Finding a series by its labels costs more than counting. There are few, and the caller cannot make up others.
        self._decision = lru_cache(1024)(self.decisions.labels)
        self._call = lru_cache(1024)(self.calls.labels)
        self._lookup = lru_cache(8)(self.token_cache.labels)

    def count_decision(self, decision: str, reason: str) -> None:
        """The gate let a request pass (`allow`) or not (`refuse`)."""
        self._decision(decision, reason).inc()

    def count_key_fetch(self, outcome: str) -> None:
        """A fetch of the signing keys ended `ok` or `failed`."""
        self.key_fetches.labels(outcome).inc()

    def count_lookup(self, outcome: str) -> None:
        """A token was known already (`hit`) or not (`miss`)."""
        self._lookup(outcome).inc()

    def observe(self, labels: tuple[str, str], seconds: float) -> None:
        """An allowed call of that method and target took that long."""
        self._call(*labels).observe(seconds)

    def serve(self, host: str, port: int) -> None:
        """Serve them in a thread of their own.

        Raises:
            OSError: the port is taken.
        """
        start_http_server(port, host, self.registry)
