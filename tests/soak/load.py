"""A load in a thread, for tests that do something to the stack meanwhile."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from tests.soak.clients import SECONDS, Call, Client


class Load:
    """`with Load(clients) as load:` lets them call from the first line of the block to its last, and repeat what fails.

    Args:
        calls_per_second: of all clients together, at most.
    """

    def __init__(self, clients: Sequence[Client], calls_per_second: float) -> None:
        self._clients = clients
        self._pause = len(clients) / calls_per_second
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(2 * SECONDS)
        assert kind or not self._thread.is_alive(), f"a call is not answered: {self.failures()[-3:]}"

    def wait_for_calls(self, count: int, seconds: float) -> None:
        """Wait until `count` more calls are answered.

        Raises:
            AssertionError: they are not in time.
        """
        wanted = self._answers() + count
        deadline = time.monotonic() + seconds
        while (found := self._answers()) < wanted:
            assert time.monotonic() < deadline, (
                f"{wanted - found} of {count} answers are missing: {self.failures()[-3:]}"
            )
            time.sleep(0.05)

    def failures(self, since: float = 0.0) -> list[Call]:
        """Attempts that were not answered, of those that began after `since` (`time.monotonic()`)."""
        calls = (call for client in self._clients for call in list(client.calls))
        return sorted(
            (call for call in calls if call.fate != "answered" and call.began >= since), key=lambda c: c.began
        )

    def _answers(self) -> int:
        return sum(call.fate == "answered" for client in self._clients for call in list(client.calls))

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._all())

    async def _all(self) -> None:
        await asyncio.gather(
            *(client.call_until(self._stop, repeats=True, pause=self._pause) for client in self._clients)
        )
