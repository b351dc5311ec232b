"""Processes that speak MCP over stdio: at most one for each subject, started on demand and ended when idle.

Source: MCP, stdio transport and lifecycle ("Shutdown": close the input, then SIGTERM, then SIGKILL).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from contextvars import Context
from dataclasses import dataclass
from functools import partial

import anyio
import mcp_types as types
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.client.client import Client
from mcp.client.stdio import get_default_environment
from mcp.shared.exceptions import MCPError
from mcp.shared.message import SessionMessage

from .answers import first_reason
from .identity import plain

logger = logging.getLogger(__name__)

SUBJECT_VARIABLE = "GATEHOUSE_SUBJECT"
"""In the environment of each process: the subject that it serves, percent-encoded like the plain headers."""

Streams = tuple[MemoryObjectReceiveStream[SessionMessage | Exception], MemoryObjectSendStream[SessionMessage]]


@dataclass(frozen=True)
class ProcessLimits:
    """Limits of the processes of one gate."""

    processes: int = 32
    idle_seconds: float = 300.0
    """How long a process without a request is kept."""
    start_seconds: float = 30.0
    stop_seconds: float = 2.0
    """After each of the three steps that end a process."""
    message_bytes: int = 8 * 1024 * 1024
    """The longest message of a process. A longer one ends the process."""


class NoProcess(Exception):
    """No process can serve the subject. The message says why, without the command."""


class Processes:
    """The processes of one command.

    Args:
        command: the program and its arguments. No shell reads them.
        environment: variables beyond those that every program needs (PATH, HOME, and so on).
        folder: the folder in which the command runs; by default that of this process.
    """

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str] | None = None,
        limits: ProcessLimits | None = None,
        folder: str = "",
    ) -> None:
        self._command = tuple(command)
        self._environment = dict(environment or {})
        self._limits = limits or ProcessLimits()
        self._folder = folder or None
        self._children: dict[str | None, _Child] = {}

    @asynccontextmanager
    async def client(self, subject: str | None) -> AsyncIterator[Client]:
        """A client of the subject's process; of one without a subject for the gate's own requests.

        Raises:
            NoProcess: it does not start, or all processes are in use.
        """
        child = self._children.get(subject)
        if child is None or child.is_ended:
            child = await self._start(subject)
        with child.in_use():
            yield await child.client()
        if self._children.get(subject) is child:
            self._children[subject] = self._children.pop(subject)  # the first one is the longest idle

    async def aclose(self) -> None:
        """End all processes."""
        children = list(self._children.values())
        for child in children:
            child.close()
        await asyncio.gather(*(child.ended() for child in children))

    @property
    def running(self) -> int:
        """The number of processes that have not ended."""
        return len(self._children)

    async def _start(self, subject: str | None) -> _Child:
        while len(self._children) >= self._limits.processes and subject not in self._children:
            idle = next((child for child in self._children.values() if not child.users), None)
            if idle is None:
                raise NoProcess("All processes are in use: try again later.")
            idle.close()
            await idle.ended()
        previous = self._children.get(subject)
        if previous is not None:
            if not previous.is_ended:
                return previous  # another request was faster
            await previous.ended()
        variables = {SUBJECT_VARIABLE: plain(subject).decode("ascii")} if subject is not None else {}
        environment = {**get_default_environment(), **self._environment, **variables}
        child = _Child(partial(_streams, self._command, environment, self._limits, self._folder), self._limits)
        self._children[subject] = child
        child.start(lambda: self._children.pop(subject, None) if self._children.get(subject) is child else None)
        return child


class _Child:
    """One process and its client. A task of its own holds both, because a client must be closed where it was opened."""

    def __init__(
        self, open_streams: Callable[[asyncio.Event], AbstractAsyncContextManager[Streams]], limits: ProcessLimits
    ) -> None:
        self._open_streams = open_streams
        self._limits = limits
        self._client: asyncio.Future[Client] = asyncio.get_running_loop().create_future()
        self._closing = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.users = 0

    def start(self, on_end: Callable[[], object]) -> None:
        """Start the process.

        Args:
            on_end: called when it has ended.
        """
        # Not the context of the first request: the process also serves later ones.
        self._task = asyncio.get_running_loop().create_task(self._run(), context=Context())
        self._task.add_done_callback(lambda _: on_end())

    @property
    def is_ended(self) -> bool:
        """Whether it serves no more requests."""
        return self._closing.is_set() or self._task is None or self._task.done()

    async def client(self) -> Client:
        """The client, when the process has answered.

        Raises:
            NoProcess: it did not.
        """
        return await asyncio.shield(self._client)

    @contextlib.contextmanager
    def in_use(self) -> Iterator[None]:
        """Count a request. Without any, the process ends after some time."""
        self.users += 1
        if self._timer is not None:
            self._timer.cancel()
        try:
            yield
        finally:
            self.users -= 1
            if not self.users:
                self._timer = asyncio.get_running_loop().call_later(self._limits.idle_seconds, self.close)

    def close(self) -> None:
        """Begin to end it."""
        if self._timer is not None:
            self._timer.cancel()
        self._closing.set()

    async def ended(self) -> None:
        """Return when it has ended."""
        if self._task is not None:
            await asyncio.wait((self._task,))

    async def _run(self) -> None:
        try:
            async with contextlib.AsyncExitStack() as stack:
                async with asyncio.timeout(self._limits.start_seconds):
                    client = await stack.enter_async_context(Client(self._open_streams(self._closing), cache=None))
                self._client.set_result(client)
                await self._closing.wait()
        except* (OSError, ValueError, MCPError, TimeoutError) as errors:
            logger.warning("the command did not work as an MCP server over stdio: %s", first_reason(errors))
        finally:
            self._closing.set()
            if not self._client.done():
                self._client.set_exception(NoProcess("The server behind the gate does not start."))
                self._client.exception()  # also seen if nobody waits


def _streams(
    command: Sequence[str],
    environment: Mapping[str, str],
    limits: ProcessLimits,
    folder: str | None,
    closing: asyncio.Event,
) -> AbstractAsyncContextManager[Streams]:
    """A process as a transport of the MCP SDK's client.

    Args:
        closing: set when the process ends by itself.
    """

    @asynccontextmanager
    async def opened() -> AsyncIterator[Streams]:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=PIPE,
            stdout=PIPE,
            env=dict(environment),
            cwd=folder,
            limit=limits.message_bytes,
            start_new_session=True,  # its own process group, so that its children also get the signals
        )
        received, incoming = anyio.create_memory_object_stream[SessionMessage | Exception](0)
        outgoing, sent = anyio.create_memory_object_stream[SessionMessage](0)
        tasks = [asyncio.create_task(_read(process, received, closing)), asyncio.create_task(_write(process, sent))]
        try:
            yield incoming, outgoing
        finally:
            for stream in (incoming, outgoing):
                stream.close()
            stopping = asyncio.create_task(_stop(process, limits.stop_seconds))
            try:
                await asyncio.shield(stopping)
            finally:
                await stopping
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                received.close()
                sent.close()

    return opened()


async def _read(
    process: Process, received: MemoryObjectSendStream[SessionMessage | Exception], closing: asyncio.Event
) -> None:
    assert process.stdout is not None
    try:
        async with received:
            while line := await process.stdout.readline():
                try:
                    message = types.jsonrpc_message_adapter.validate_json(line, by_name=False)
                except ValueError:
                    logger.warning("the server behind the gate wrote a line that is not a JSON-RPC message")
                    continue
                await received.send(SessionMessage(message))
    except ValueError:
        logger.warning("the server behind the gate wrote a message that is too long, and is ended")
    except (anyio.BrokenResourceError, anyio.ClosedResourceError, ConnectionError):
        pass  # the client was closed
    finally:
        closing.set()


async def _write(process: Process, sent: MemoryObjectReceiveStream[SessionMessage]) -> None:
    assert process.stdin is not None
    with contextlib.suppress(ConnectionError, anyio.ClosedResourceError):
        async for message in sent:
            text = message.message.model_dump_json(by_alias=True, exclude_unset=True)
            process.stdin.write(text.encode("utf-8") + b"\n")
            await process.stdin.drain()


async def _stop(process: Process, seconds: float) -> None:
    """End the process and what it has started."""
    assert process.stdin is not None
    process.stdin.close()
    for number in (None, signal.SIGTERM, signal.SIGKILL):
        if number is not None:
            # The group may still have members when the process itself has ended.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, number)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), seconds)
            if number is not None:
                break
