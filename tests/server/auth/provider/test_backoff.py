"""When a request to the provider may be repeated."""

from __future__ import annotations

import pytest

from gatehouse_server.auth.provider.backoff import LONGEST_RETRY_AFTER, Backoff, stated_wait
from tests.server.token_issuer import Clock

NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7),
        ({"retry-after": "Fri, 15 Jan 2027 08:00:30 GMT"}, 30),
        ({"retry-after": "Fri, 15 Jan 2027 07:00:00 GMT"}, 0),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "1e9"}, None),
        ({"retry-after": "٣"}, None),
        ({"retry-after": "9" * 5000}, None),
        ({"retry-after": "86400"}, LONGEST_RETRY_AFTER),
        ({"x-ratelimit-reset": "1800000009"}, 9),
        ({"x-ratelimit-reset": "12"}, 0),
        ({"retry-after": "2", "x-ratelimit-reset": "1800000009"}, 2),
    ],
)
def test_the_time_that_an_answer_states(headers: dict[str, str], seconds: float | None) -> None:
    assert stated_wait(429, headers, NOW) == seconds


@pytest.mark.parametrize(("status", "seconds"), [(200, None), (400, None), (429, 7), (500, None), (503, 7)])
def test_only_429_and_503_state_a_time(status: int, seconds: float | None) -> None:
    assert stated_wait(status, {"retry-after": "7"}, NOW) == seconds


def test_the_wait_doubles_up_to_a_limit_which_is_longer_after_429() -> None:
    for limited, longest in ((False, 30), (True, 300)):
        clock = Clock()
        backoff = Backoff(2, clock=clock, chance=lambda: 1.0)
        waits = []
        for _ in range(10):
            backoff.failed(limited=limited)
            waits.append(backoff.left)
            clock.now += backoff.left
        assert waits[:4] == [2, 4, 8, 16]
        assert waits[-1] == longest


def test_replicas_that_fail_together_repeat_at_different_times_and_never_before_the_stated_one() -> None:
    for chance in (0.0, 0.3, 1.0):
        clock = Clock()
        backoff = Backoff(4, clock=clock, chance=lambda chance=chance: chance)  # type: ignore[misc]
        backoff.failed()
        assert backoff.left == pytest.approx(2 + 2 * chance)
        clock.now += 10
        backoff.failed(limited=True, stated=20)
        assert backoff.left == pytest.approx(20 + 8 * chance)


def test_requests_that_fail_at_the_same_time_count_once() -> None:
    clock = Clock()
    backoff = Backoff(2, clock=clock, chance=lambda: 1.0)
    for _ in range(16):
        backoff.failed()
    assert backoff.left == 2
    backoff.failed(limited=True, stated=9)
    assert backoff.left == 9
    backoff.succeeded()
    assert (backoff.left, backoff.seconds) == (0, 1)
