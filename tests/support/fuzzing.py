"""Tests with random input: the same few examples in `make test`, and new ones for a time in `make fuzz`.

FUZZ_SECONDS_EACH is the time of each test in `make fuzz`; the test is skipped when it is over. A failure prints the
example. Fix it, and add a named test for it.
"""

from __future__ import annotations

import functools
import inspect
import itertools
import os
import random
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings

SECONDS_EACH = float(os.environ.get("FUZZ_SECONDS_EACH", "0"))
MANY = 10_000_000
_IGNORED = (HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large)

Test = TypeVar("Test", bound=Callable[..., Any])


def fuzz(examples: int) -> Callable[[Test], Test]:
    """Decorate a test that has `given`.

    Args:
        examples: how many inputs it gets in `make test`.
    """

    def decorate(test: Test) -> Test:
        if SECONDS_EACH:
            handle = test.hypothesis  # type: ignore[attr-defined]
            handle.inner_test = _until_the_end(handle.inner_test)
        chosen = settings(
            max_examples=MANY if SECONDS_EACH else examples,
            deadline=None,
            derandomize=not SECONDS_EACH,
            database=None,
            print_blob=True,
            suppress_health_check=_IGNORED,
        )
        return pytest.mark.fuzz(chosen(test))  # type: ignore[no-any-return]

    return decorate


def seeds(count: int) -> Iterator[int]:
    """Seeds for a test that makes its input itself, which is marked `fuzz`.

    Args:
        count: how many there are in `make test`: 0, 1, 2, ... In `make fuzz` there are at least as many.
    """
    if not SECONDS_EACH:
        yield from range(count)
        return
    end, first = time.monotonic() + SECONDS_EACH, random.SystemRandom().randrange(2**32)
    for seed in itertools.count(first):
        if seed >= first + count and time.monotonic() > end:
            return
        yield seed


def _until_the_end(test: Callable[..., Any]) -> Callable[..., Any]:
    """The test, which is skipped at the end of its time."""
    began: list[float] = []

    def check() -> None:
        began.append(time.monotonic())
        if began[-1] - began[0] > SECONDS_EACH:
            count = len(began) - 1
            began.clear()  # the next parameters of the test have their own time
            pytest.skip(f"the time is over after {count} examples")

    if inspect.iscoroutinefunction(test):

        @functools.wraps(test)
        async def run(*args: Any, **more: Any) -> None:
            check()
            await test(*args, **more)

        return run

    @functools.wraps(test)
    def run_now(*args: Any, **more: Any) -> None:
        check()
        test(*args, **more)

    return run_now
