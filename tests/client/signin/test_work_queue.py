"""The work queue: its order, cancelled callers, failures."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable

import anyio
import anyio.abc
import pytest
from anyio import wait_all_tasks_blocked

from gatehouse_client.signin.work_queue import WorkQueue

pytestmark = pytest.mark.anyio


class Work:
    """Waits for the gate and records what happened. The first work after the gate fails with `error`."""

    def __init__(self) -> None:
        self.began: list[str] = []
        self.ended: list[str] = []
        self.gate = anyio.Event()
        self.error: Exception | None = None

    async def __call__(self, name: str) -> str:
        self.began.append(name)
        try:
            await self.gate.wait()
            error, self.error = self.error, None
            if error is not None:
                raise error
        except asyncio.CancelledError:
            await anyio.lowlevel.cancel_shielded_checkpoint()
            self.ended.append(f"{name} cancelled")
            raise
        self.ended.append(name)
        return name


class Callers:
    """The callers of the queue. Each can be cancelled."""

    def __init__(self, queue: WorkQueue, work: Work, tasks: anyio.abc.TaskGroup) -> None:
        self.queue = queue
        self.work = work
        self.tasks = tasks
        self.returned: list[str] = []
        self.cancelled: list[str] = []

    async def ask(self, name: str) -> Callable[[], None]:
        scope = anyio.CancelScope()

        async def wait() -> None:
            with scope:
                self.returned.append(await self.queue.run(self.work, name))
            if scope.cancelled_caught:
                self.cancelled.append(name)

        self.tasks.start_soon(wait)
        await wait_all_tasks_blocked()
        return scope.cancel


async def test_work_runs_in_the_order_of_the_calls() -> None:
    work = Work()
    async with anyio.create_task_group() as tasks:
        callers = Callers(WorkQueue(), work, tasks)
        for name in ("one", "two", "three"):
            await callers.ask(name)
        assert work.began == ["one"]
        work.gate.set()
    assert work.ended == callers.returned == ["one", "two", "three"]


async def test_the_work_of_a_cancelled_caller_goes_on_for_waiting_callers() -> None:
    work = Work()
    async with anyio.create_task_group() as tasks:
        callers = Callers(WorkQueue(), work, tasks)
        cancel = await callers.ask("one")
        await callers.ask("two")
        cancel()
        await wait_all_tasks_blocked()
        assert callers.cancelled == ["one"]
        assert work.ended == []
        work.gate.set()
    assert work.began == work.ended == ["one", "two"]
    assert callers.returned == ["two"]


async def test_the_last_cancelled_caller_cancels_the_running_work_and_waits_for_its_end() -> None:
    work = Work()
    async with anyio.create_task_group() as tasks:
        callers = Callers(WorkQueue(), work, tasks)
        for cancel in [await callers.ask("one"), await callers.ask("two")]:
            cancel()
            await wait_all_tasks_blocked()
        assert (work.ended, callers.cancelled) == (["one cancelled"], ["one", "two"])
        work.gate.set()
        await callers.ask("three")
    assert work.began == ["one", "three"], "the second work never began"
    assert callers.returned == ["three"]


async def test_a_single_cancelled_caller_cancels_its_work() -> None:
    work = Work()
    async with anyio.create_task_group() as tasks:
        callers = Callers(WorkQueue(), work, tasks)
        cancel = await callers.ask("one")
        cancel()
        await wait_all_tasks_blocked()
    assert (work.ended, callers.cancelled) == (["one cancelled"], ["one"])


async def test_a_caller_that_is_cancelled_in_the_queue_does_not_affect_the_others() -> None:
    work = Work()
    async with anyio.create_task_group() as tasks:
        callers = Callers(WorkQueue(), work, tasks)
        await callers.ask("one")
        cancel = await callers.ask("two")
        await callers.ask("three")
        cancel()
        await wait_all_tasks_blocked()
        work.gate.set()
    assert work.began == work.ended == callers.returned == ["one", "three"]


async def test_a_failure_is_raised_to_the_caller() -> None:
    work, queue = Work(), WorkQueue()
    work.error = ValueError("no")
    work.gate.set()
    with pytest.raises(ValueError, match="no"):
        await queue.run(work, "one")
    assert await queue.run(work, "two") == "two"


async def test_a_failure_after_the_caller_was_cancelled_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    work = Work()
    async with anyio.create_task_group() as tasks:
        callers = Callers(WorkQueue(), work, tasks)
        cancel = await callers.ask("one")
        await callers.ask("two")
        cancel()
        work.error = ValueError("no")
        work.gate.set()
    gc.collect()
    assert (work.began, callers.returned) == (["one", "two"], ["two"])
    assert caplog.records == []
