"""`ask` and `chat`: the person's questions to the agent, its tool calls and its answers."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from ..account import expects_paste, is_interactive
from ..mcp.elicitation import Elicitation
from ..mcp.session import Connection, connect, failure
from ..settings import OFFLINE, Settings
from ..terminal.output import Terminal
from .agent import Agent, Event, OnEvent, TextChunk
from .model import Model, ToolCall
from .offline_model import OfflineModel

_LOADING = "Loading the agent"
_THINKING = "Thinking"


class Conversation:
    """Questions and answers on a terminal or through pipes.

    Attributes:
        connection: the connection to the MCP server.
    """

    def __init__(self, terminal: Terminal, agent: Agent, connection: Connection) -> None:
        self.connection = connection
        self._terminal = terminal
        self._agent = agent

    def use(self, connection: Connection) -> None:
        """Use another connection, such as that of a new sign-in, from the next question on."""
        self.connection = connection
        self._agent.use(connection)

    @property
    def can_resume(self) -> bool:
        """Whether the last answer was interrupted."""
        return self._agent.can_resume

    async def turn(self, question: str) -> bool:
        """Ask, and show the tool calls and the model's text as they happen.

        Returns:
            Whether a tool failed, and no later call of it in this turn succeeded.
        """
        return await self._show(lambda on_event: self._agent.ask(question, on_event))

    async def resume(self) -> bool:
        """Continue the answer that was interrupted. The rest is as `turn`."""
        return await self._show(self._agent.resume)

    async def _show(self, answer_of: Callable[[OnEvent], Awaitable[str]]) -> bool:
        terminal = self._terminal
        calls: list[dict[str, Any]] = []
        failed: dict[str, bool] = {}
        streamed = False

        def on_event(event: Event) -> None:
            nonlocal streamed
            streamed = isinstance(event, TextChunk)
            if isinstance(event, TextChunk):
                terminal.write(event.text)
            elif isinstance(event, ToolCall):
                calls.append({"tool": event.name, "arguments": event.arguments})
                terminal.say(f"· {event.name}({_shown(event.arguments)})", "cyan")
                terminal.activity.show(f"Calling {event.name}")
            else:
                name = event.call.name
                failed[name] = event.failed
                if event.failed:
                    terminal.say(f"· {name} failed: {failure(name, event.text)}", "yellow")
                terminal.activity.show(_THINKING)

        with terminal.busy(_THINKING):
            answer = await answer_of(on_event)
        if terminal.as_json:
            names = [name for name, broken in failed.items() if broken]
            terminal.result_json({"answer": answer, "tool_calls": calls, "failed_tools": names})
        elif streamed:
            terminal.end_line()
        else:
            terminal.result(answer)
        return any(failed.values())


async def open_conversation(terminal: Terminal, settings: Settings) -> Conversation:
    """Load the model, sign in when needed, and create the agent.

    Raises:
        ConfigurationError: the model cannot be used with the current settings.
        GatehouseError: as `connect`.
    """
    if settings.model_key:
        terminal.say(f"The model is {settings.model}: {settings.model_key} is set, and MODEL is not.", "dim")
    with terminal.busy(_LOADING):
        model = _model(settings)
    with terminal.reaching(settings.mcp_public_url, typing=expects_paste(settings)) as say:
        connection = await connect(settings, say, terminal.trace, interactive=is_interactive(settings))
    if settings.model == OFFLINE:
        terminal.say("The model is offline: it has no intelligence and only matches words to a tool (MODEL).", "dim")
    agent = Agent(
        connection,
        model,
        settings.model,
        streaming=terminal.is_watched,
        answer=Elicitation(terminal, connection.url).answer,
        progress=terminal.activity.progress,
    )
    return Conversation(terminal, agent, connection)


def _model(settings: Settings) -> Model:
    if settings.model == OFFLINE:
        return OfflineModel()
    from .models import chat_model  # LangChain and the package of a provider take seconds to import

    model = chat_model(settings)
    from .langchain_model import LangChainModel

    return LangChainModel(model, settings)


def _shown(arguments: dict[str, Any]) -> str:
    return ", ".join(f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in arguments.items())
