"""Free ports for the servers of a test. No other test of the same run gets them."""

from __future__ import annotations

import itertools
import os
import random
import socket

# The system uses ports from 32768 for outgoing connections: one of those can be taken at any moment.
_LOWEST = 10_000
_EACH = 2_000
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 11
_BEGIN = random.randrange(_EACH)  # two runs on one machine rarely meet
_PORTS = (_LOWEST + _EACH * _WORKER + (_BEGIN + number) % _EACH for number in itertools.count())


def free_ports(count: int) -> list[int]:
    """Ports that nothing listens on."""
    return [free_port() for _ in range(count)]


def free_port() -> int:
    """A port that nothing listens on."""
    return next(port for port in _PORTS if _is_free(port))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
