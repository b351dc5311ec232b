"""Taking turns: who gives up, and what becomes of the work."""

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
    """Waits to be let go; keeps what happened. The first that is let go fails with `error`."""

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
    """Those who ask for a turn, each of whom can give up."""

    def __init__(self, turns: WorkQueue, work: Work, tasks: anyio.abc.TaskGroup) -> None:
        self.turns = turns
        self.work = work
        self.tasks = tasks
        self.got: list[str] = []
        self.gone: list[str] = []

    async def ask(self, name: str) -> Callable[[], None]:
        scope = anyio.CancelScope()

        async def wait() -> None:
            with scope:
                self.got.append(await self.turns.run(self.work, name))
            if scope.cancelled_caught:
                self.gone.append(name)

        self.tasks.start_soon(wait)
        await wait_all_tasks_blocked()
        return scope.cancel


async def test_turns_come_one_after_the_other_in_the_order_of_asking() -> None:
    work = Work()
    async with anyio.create_task_group() as tasks:
        callers = Callers(WorkQueue(), work, tasks)
        for name in ("one", "two", "three"):
            await callers.ask(name)
        assert work.began == ["one"]
        work.gate.set()
    assert work.ended == callers.got == ["one", "two", "three"]


async def test_what_the_first_began_goes_on_for_those_who_wait() -> None:
    work = Work()
    async with anyio.create_task_group() as tasks:
        callers = Callers(WorkQueue(), work, tasks)
        give_up = await callers.ask("one")
        await callers.ask("two")
        give_up()
        await wait_all_tasks_blocked()
        assert callers.gone == ["one"]
        assert work.ended == []
        work.gate.set()
    assert work.began == work.ended == ["one", "two"]
    assert callers.got == ["two"]


async def test_the_last_who_gives_up_ends_what_another_began_and_sees_it_out() -> None:
    work = Work()
    async with anyio.create_task_group() as tasks:
        callers = Callers(WorkQueue(), work, tasks)
        for give_up in [await callers.ask("one"), await callers.ask("two")]:
            give_up()
            await wait_all_tasks_blocked()
        assert (work.ended, callers.gone) == (["one cancelled"], ["one", "two"])
        work.gate.set()
        await callers.ask("three")
    assert work.began == ["one", "three"], "the second turn never came"
    assert callers.got == ["three"]


async def test_who_is_alone_and_gives_up_ends_the_work() -> None:
    work = Work()
    async with anyio.create_task_group() as tasks:
        callers = Callers(WorkQueue(), work, tasks)
        give_up = await callers.ask("one")
        give_up()
        await wait_all_tasks_blocked()
    assert (work.ended, callers.gone) == (["one cancelled"], ["one"])


async def test_who_gives_up_in_the_line_leaves_the_others_where_they_are() -> None:
    work = Work()
    async with anyio.create_task_group() as tasks:
        callers = Callers(WorkQueue(), work, tasks)
        await callers.ask("one")
        give_up = await callers.ask("two")
        await callers.ask("three")
        give_up()
        await wait_all_tasks_blocked()
        work.gate.set()
    assert work.began == work.ended == callers.got == ["one", "three"]


async def test_a_failure_is_raised_where_somebody_waits_for_it() -> None:
    work, turns = Work(), WorkQueue()
    work.error = ValueError("no")
    work.gate.set()
    with pytest.raises(ValueError, match="no"):
        await turns.run(work, "one")
    assert await turns.run(work, "two") == "two"


async def test_a_failure_of_what_somebody_left_is_no_noise(caplog: pytest.LogCaptureFixture) -> None:
    work = Work()
    async with anyio.create_task_group() as tasks:
        callers = Callers(WorkQueue(), work, tasks)
        give_up = await callers.ask("one")
        await callers.ask("two")
        give_up()
        work.error = ValueError("no")
        work.gate.set()
    gc.collect()
    assert (work.began, callers.got) == (["one", "two"], ["two"])
    assert caplog.records == []
