"""Work that runs one piece at a time, and goes on for the callers behind it when its own caller is cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

import anyio

P = ParamSpec("P")
T = TypeVar("T")


class WorkQueue:
    """Runs the work of its callers in the order of their calls.

    A caller that is cancelled before its work begins leaves the queue. If it is cancelled later, its work goes on as
    long as other callers wait. When the last caller is cancelled, the work is also cancelled.
    """

    def __init__(self) -> None:
        self._lock = anyio.Lock()
        self._callers = 0
        self._running: asyncio.Task[Any] | None = None

    async def run(self, work: Callable[P, Coroutine[Any, Any, T]], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run the work after the work of earlier callers."""
        task = asyncio.create_task(self._run(work, *args, **kwargs))
        task.add_done_callback(_retrieve_exception)
        self._callers += 1
        try:
            await asyncio.wait([task])
        finally:
            self._callers -= 1
            if task is not self._running:
                await _cancel(task)
            if self._running is not None and not self._callers:
                await _cancel(self._running)
        return task.result()

    async def _run(self, work: Callable[P, Coroutine[Any, Any, T]], *args: P.args, **kwargs: P.kwargs) -> T:
        async with self._lock:
            self._running = asyncio.current_task()
            try:
                return await work(*args, **kwargs)
            finally:
                self._running = None


def _retrieve_exception(task: asyncio.Task[Any]) -> None:
    """Keep asyncio from logging the failure of a task whose caller was cancelled."""
    if not task.cancelled():
        task.exception()


async def _cancel(task: asyncio.Task[Any]) -> None:
    """Cancel the task and wait for its end: it may have to close a port or a file."""
    if not task.done():
        task.cancel()
        with anyio.CancelScope(shield=True):
            await asyncio.wait([task])
