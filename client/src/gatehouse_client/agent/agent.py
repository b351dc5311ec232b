"""The agent: the model answers with the help of the server's tools."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

import anyio
import mcp_types as types
from mcp.shared.dispatcher import ProgressFnT

from ..errors import ModelError
from ..foreign_text import cleaned, completable, printable
from ..mcp.results import images_of, result_in_words
from ..mcp.session import Answer, Connection, Session, text_of
from .model import Function, Message, Model, Question, Reply, ToolCall, ToolResult

_ROUNDS: Final = 20  # of the model's replies to one question
_CONTINUE: Final = "I interrupted your last answer. Continue it where it ends, without repeating what it says."
_CALL_INTERRUPTED: Final = "The person interrupted the call. It is not known whether the tool did its work."


@dataclass(frozen=True)
class TextChunk:
    """The next part of the model's text."""

    text: str


Event = TextChunk | ToolCall | ToolResult
OnEvent = Callable[[Event], None]


class Agent:
    """A conversation. Each question is sent with the earlier questions and answers.

    Args:
        name: the name of the model, for messages.
        streaming: whether the model answers in parts.
        answer: answers the server's questions during a tool call.
        progress: gets the progress of a tool.
    """

    def __init__(
        self,
        connection: Connection,
        model: Model,
        name: str,
        *,
        streaming: bool,
        answer: Answer,
        progress: ProgressFnT,
    ) -> None:
        self._connection = connection
        self._model = model
        self._name = name
        self._streaming = streaming
        self._answer = answer
        self._progress = progress
        self._history: list[Message] = []
        self._interrupted: list[Message] = []

    def use(self, connection: Connection) -> None:
        """Use another connection, such as that of a new sign-in, from the next question on."""
        self._connection = connection

    async def ask(self, question: str, on_event: OnEvent) -> str:
        """The model's answer. A question that fails is not added to the history.

        If it is cancelled, what was said so far stays in the history, and `resume` continues it.

        Args:
            on_event: gets the tool calls as they happen and, when streaming, the parts of the model's text.

        Raises:
            ModelError: the model fails, or the agent reaches its limit of rounds.
            GatehouseError: an error of the session.
        """
        return await self._answer_to([*self._history, Question(printable(question))], on_event)

    @property
    def can_resume(self) -> bool:
        """Whether the last answer was cancelled."""
        return bool(self._interrupted)

    async def resume(self, on_event: OnEvent) -> str:
        """Continue the answer that was cancelled. The model reads what was said so far. The rest is as `ask`."""
        answered = isinstance(self._interrupted[-1], Reply)
        return await self._answer_to([*self._interrupted, *([Question(_CONTINUE)] if answered else [])], on_event)

    async def _answer_to(self, asked: list[Message], on_event: OnEvent) -> str:
        said, begun = list(asked), list[str]()
        # In a task of its own, because the SDK's cancel scopes also cancel and uncancel the task that they are in.
        work = asyncio.create_task(self._in_session(said, begun, on_event))
        try:
            answer = await work
        except BaseException:
            task = asyncio.current_task()
            if task is None or not task.cancelling():
                raise
            self._keep_interrupted(asked, said, "".join(begun))
            raise asyncio.CancelledError from None
        self._history, self._interrupted = said, []
        return answer

    async def _in_session(self, said: list[Message], begun: list[str], on_event: OnEvent) -> str:
        async with self._connection.session(self._answer) as session:
            return await self._converse(session, said, begun, on_event)

    def _keep_interrupted(self, asked: list[Message], said: list[Message], text: str) -> None:
        answered = {message.call.id for message in said if isinstance(message, ToolResult)}
        calls = [call for message in said if isinstance(message, Reply) for call in message.calls]
        # Models refuse a history in which a call has no answer.
        said += [ToolResult(call, _CALL_INTERRUPTED, failed=True) for call in calls if call.id not in answered]
        if text:
            said.append(Reply(text))
        self._interrupted = said
        if len(said) > len(asked):
            self._history = said

    async def _converse(self, session: Session, said: list[Message], begun: list[str], on_event: OnEvent) -> str:
        """Answer the last message of `said`, to which the new messages are added.

        Args:
            begun: gets the parts of a reply that is not complete.
        """
        functions = _for_model(await session.tools())
        for _ in range(_ROUNDS):
            reply = await self._reply(said, functions, begun, on_event)
            begun.clear()
            said.append(reply)
            if not reply.calls:
                return reply.text
            for call in reply.calls:
                on_event(call)
            await self._call_tools(session, functions, reply.calls, said, on_event)
        raise ModelError(
            f"The model {self._name} did not answer: it called tools again and again, up to the limit of {_ROUNDS}"
            " rounds. Ask a simpler question."
        )

    async def _reply(
        self, said: Sequence[Message], functions: Sequence[Function], begun: list[str], on_event: OnEvent
    ) -> Reply:
        async with aclosing(self._model.reply(said, functions, streaming=self._streaming)) as parts:
            async for part in parts:
                if isinstance(part, Reply):
                    return part
                begun.append(part)
                on_event(TextChunk(part))
        raise RuntimeError("the model ended without a reply")

    async def _call_tools(
        self,
        session: Session,
        functions: Sequence[Function],
        calls: Sequence[ToolCall],
        said: list[Message],
        on_event: OnEvent,
    ) -> None:
        """Call the tools at the same time. Each result is in `said` as soon as it is there, and at last in order."""
        results = dict[str, ToolResult]()
        names = [function["name"] for function in functions]

        async def answer(call: ToolCall) -> None:
            result = results[call.id] = await self._result(session, names, call)
            said.append(result)
            on_event(result)

        before = len(said)
        async with anyio.create_task_group() as group:
            for call in calls:
                group.start_soon(answer, call)
        said[before:] = [results[call.id] for call in calls]

    async def _result(self, session: Session, names: Sequence[str], call: ToolCall) -> ToolResult:
        if call.name not in names:
            return ToolResult(call, f"There is no tool {call.name}. The tools are {', '.join(names)}.", failed=True)
        result = await session.result(call.name, call.arguments, self._progress)
        if result.is_error:
            return ToolResult(call, printable(text_of(result)) or "The tool did not say why.", failed=True)
        return ToolResult(call, printable(result_in_words(result, call.name)), images=images_of(result))


def _for_model(tools: Sequence[types.Tool]) -> list[Function]:
    """The tools that a model can call, without control and format characters in what describes them."""
    return [
        {
            "name": tool.name,
            "description": printable(tool.description or ""),
            "parameters": cleaned(tool.input_schema),
        }
        for tool in tools
        if completable(tool.name)
    ]
