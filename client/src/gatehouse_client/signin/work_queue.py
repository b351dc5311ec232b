"""One piece of work at a time, in line. It goes on for those who wait behind it when the one who began it gives up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

import anyio

P = ParamSpec("P")
T = TypeVar("T")


class WorkQueue:
    """A lock around work whose outcome is good for all who wait for the lock.

    Who is cancelled before their turn leaves the line. Who is cancelled during it leaves the work to the others; it
    is cancelled with the last of them.
    """

    def __init__(self) -> None:
        self._lock = anyio.Lock()
        self._present = 0
        self._running: asyncio.Task[Any] | None = None

    async def take(self, work: Callable[P, Coroutine[Any, Any, T]], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do the work when it is its turn."""
        turn = asyncio.create_task(self._turn(work, *args, **kwargs))
        turn.add_done_callback(_looked_at)
        self._present += 1
        try:
            await asyncio.wait([turn])
        finally:
            self._present -= 1
            if turn is not self._running:
                await _cancelled(turn)
            if self._running is not None and not self._present:
                await _cancelled(self._running)
        return turn.result()

    async def _turn(self, work: Callable[P, Coroutine[Any, Any, T]], *args: P.args, **kwargs: P.kwargs) -> T:
        async with self._lock:
            self._running = asyncio.current_task()
            try:
                return await work(*args, **kwargs)
            finally:
                self._running = None


def _looked_at(turn: asyncio.Task[Any]) -> None:
    """What a turn without anybody fails with is in the line's hands, and not for asyncio to complain about."""
    if not turn.cancelled():
        turn.exception()


async def _cancelled(task: asyncio.Task[Any]) -> None:
    """Cancel the task, if it is not done, and see it out: it may have a port or a file to give back."""
    if not task.done():
        task.cancel()
        with anyio.CancelScope(shield=True):
            await asyncio.wait([task])
