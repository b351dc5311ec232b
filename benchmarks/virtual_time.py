"""An event loop whose clock jumps to the next timer, so that hours of waiting take no time."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")


class VirtualTime(asyncio.SelectorEventLoop):
    """`time()` is in seconds and moves only while every task waits for a timer."""

    def __init__(self) -> None:
        self._now = 0.0
        super().__init__(_Jumping(self))

    def time(self) -> float:
        return self._now

    def jump(self, seconds: float) -> None:
        self._now += seconds


class _Jumping(selectors.DefaultSelector):
    """Waits for no time: it moves the clock instead."""

    def __init__(self, loop: VirtualTime) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("every task waits for something that does not come")
        if timeout > 0:
            self._loop.jump(timeout)
        return super().select(0)


def run(main: Coroutine[Any, Any, Result]) -> Result:
    """The result of `main`, in virtual time from 0."""
    with asyncio.Runner(loop_factory=VirtualTime) as runner:
        return runner.run(main)
