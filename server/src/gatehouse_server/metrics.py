"""Figures for Prometheus, on a port of their own: the public port never serves them."""

from __future__ import annotations

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

    def count_key_fetch(self, outcome: str) -> None:
        """A fetch of the signing keys ended `ok` or `failed`."""
        self.key_fetches.labels(outcome).inc()

    def count_lookup(self, outcome: str) -> None:
        """A token was known already (`hit`) or not (`miss`)."""
        self.token_cache.labels(outcome).inc()

    def observe(self, labels: tuple[str, str], seconds: float) -> None:
        """An allowed call of that method and target took that long."""
        self.calls.labels(*labels).observe(seconds)

    def serve(self, host: str, port: int) -> None:
        """Serve them in a thread of their own.

        Raises:
            OSError: the port is taken.
        """
        start_http_server(port, host, self.registry)
