"""`ask` and `chat`: the person's questions to the agent, its tool calls and its answers."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ..account import expects_paste, is_interactive
from ..errors import GatehouseError
from ..mcp.elicitation import Elicitation
from ..mcp.session import connect, failure
from ..settings import Settings
from ..terminal.output import Terminal
from .models import OFFLINE, chat_model, require_langchain

if TYPE_CHECKING:
    from .agent import Agent, Event

_LOADING = "Loading the agent"
_THINKING = "Thinking"
_GOODBYES = frozenset({"exit", "quit", "bye", ":q"})


class Conversation:
    """Questions and answers on a terminal or through pipes."""

    def __init__(self, terminal: Terminal, agent: Agent) -> None:
        self._terminal = terminal
        self._agent = agent

    async def turn(self, question: str) -> bool:
        """Ask, and show the tool calls and the model's text as they happen.

        Returns:
            Whether a tool failed, and no later call of it in this turn succeeded.
        """
        from .agent import TextChunk, ToolCalled

        terminal = self._terminal
        calls: list[dict[str, Any]] = []
        failed: dict[str, bool] = {}
        streamed = False

        def on_event(event: Event) -> None:
            nonlocal streamed
            streamed = isinstance(event, TextChunk)
            if isinstance(event, TextChunk):
                terminal.write(event.text)
            elif isinstance(event, ToolCalled):
                calls.append({"tool": event.name, "arguments": event.arguments})
                terminal.say(f"· {event.name}({_shown(event.arguments)})", "cyan")
                terminal.activity.show(f"Calling {event.name}")
            else:
                failed[event.name] = event.failed
                if event.failed:
                    terminal.say(f"· {event.name} failed: {failure(event.name, event.text)}", "yellow")
                terminal.activity.show(_THINKING)

        with terminal.busy(_THINKING):
            answer = await self._agent.ask(question, on_event)
        if terminal.as_json:
            names = [name for name, broken in failed.items() if broken]
            terminal.result_json({"answer": answer, "tool_calls": calls, "failed_tools": names})
        elif streamed:
            terminal.end_line()
        else:
            terminal.result(answer)
        return any(failed.values())

    def run(self, runner: asyncio.Runner) -> None:
        """Answer questions until the input ends. On a terminal an error is shown, and the conversation continues.

        Raises:
            GatehouseError: in a pipe, the error of the first question that failed.
        """
        for question in self._questions():
            try:
                runner.run(self.turn(question))
            except GatehouseError as error:
                if not self._terminal.is_conversation:
                    raise
                self._terminal.fail(error)

    def _questions(self) -> Iterator[str]:
        if not self._terminal.is_conversation:
            yield from (line.strip() for line in sys.stdin if line.strip())
            return
        self._terminal.say("Ask something; an empty line or Ctrl-D ends.", "dim")
        while question := self._terminal.ask("you> "):
            if question.lower() in _GOODBYES:
                return
            yield question


async def open_conversation(terminal: Terminal, settings: Settings) -> Conversation:
    """Load a model that needs settings, sign in when needed, and create the agent.

    LangChain takes seconds to import: without the permission to use the server it is not imported for nothing.

    Raises:
        ConfigurationError: the model cannot be used with the current settings.
        GatehouseError: as `connect`.
    """
    require_langchain()
    with terminal.busy(_LOADING):
        model = None if settings.model == OFFLINE else chat_model(settings)
    with terminal.reaching(settings.mcp_public_url, typing=expects_paste(settings)) as say:
        connection = await connect(settings, say, terminal.trace, interactive=is_interactive(settings))
    if settings.model == OFFLINE:
        terminal.say("The model is offline: it has no intelligence and only matches words to a tool (MODEL).", "dim")
    with terminal.busy(_LOADING):
        from .agent import Agent

        model = model or chat_model(settings)
    agent = Agent(
        connection,
        model,
        settings,
        streaming=terminal.is_watched,
        answer=Elicitation(terminal, connection.url).answer,
        progress=terminal.activity.progress,
    )
    return Conversation(terminal, agent)


def _shown(arguments: dict[str, Any]) -> str:
    return ", ".join(f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in arguments.items())
