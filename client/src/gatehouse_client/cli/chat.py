"""`chat`: the person's messages, and the commands that begin with a slash."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from ..account import encryption_for, expects_paste
from ..agent.conversation import Conversation, open_conversation
from ..errors import ConfigurationError, GatehouseError
from ..foreign_text import foreign
from ..identity import logout, settings_for
from ..mcp.session import connect
from ..settings import Settings
from ..terminal.output import Terminal
from .commands import show_sign_in, show_tools

if TYPE_CHECKING:
    from ..terminal.line_editor import LineEditor

_GOODBYES: Final = frozenset({"exit", "quit", "bye", ":q"})
_COMMANDS: Final = {
    "/help": "show this help",
    "/tools": "list the server's tools",
    "/continue": "go on with the answer that Ctrl-C interrupted",
    "/login": "sign in again",
    "/logout": "sign out, and end the conversation",
    "/exit": "end the conversation; also Ctrl-D",
}
_KEYS: Final = (
    "Enter sends a message. Alt-Enter begins a new line in it; pasted lines stay one message.",
    "Ctrl-C interrupts an answer. Up and Down go through your earlier messages, also those of earlier runs.",
    "A message that begins with a space is not kept there, and is a question even if a / follows.",
)


def chat(terminal: Terminal, runner: asyncio.Runner) -> bool:
    """Ask questions until the input ends.

    Returns:
        Whether a tool failed, in a pipe. On a terminal the person has seen it, and it is False.

    Raises:
        ConfigurationError: the package for the terminal's input is not installed.
        GatehouseError: the conversation cannot be opened; in a pipe also the error of the first question that failed.
    """
    settings = settings_for(terminal)
    if terminal.is_conversation and find_spec("prompt_toolkit") is None:
        raise ConfigurationError(
            "`chat` on a terminal needs prompt-toolkit: install it with pip install 'gatehouse-client[chat]'."
        )
    conversation = runner.run(open_conversation(terminal, settings))
    if terminal.is_conversation:
        _Chat(terminal, settings, conversation, runner).run()
        return False
    failed = [runner.run(conversation.turn(line.strip())) for line in sys.stdin if line.strip()]
    return any(failed)


class _Chat:
    """A conversation on a terminal. What fails is shown, and the conversation goes on."""

    def __init__(
        self, terminal: Terminal, settings: Settings, conversation: Conversation, runner: asyncio.Runner
    ) -> None:
        self._terminal = terminal
        self._settings = settings
        self._conversation = conversation
        self._runner = runner
        self._commands: dict[str, Callable[[], bool]] = {
            "/help": self._help,
            "/tools": self._tools,
            "/continue": self._continue,
            "/login": self._login,
            "/logout": self._logout,
            "/exit": lambda: False,
        }

    def run(self) -> None:
        """Answer messages until the person leaves."""
        editor = _line_editor(self._terminal, self._settings)
        self._terminal.say("Ask something. /help shows the commands; Ctrl-D ends the conversation.", "dim")
        going_on = True
        while going_on:
            message = self._read(editor)
            if message is None:
                return
            try:
                going_on = self._follow(message)
            except GatehouseError as error:
                self._terminal.fail(error)
            except KeyboardInterrupt:
                advice = ": /continue goes on with the answer" if self._conversation.can_resume else ""
                self._terminal.say(f"Interrupted{advice}.", "dim")

    def _read(self, editor: LineEditor) -> str | None:
        """The next message; empty after Ctrl-C; None at the end of the input."""
        from ..terminal.line_editor import InputInterrupted

        try:
            return self._runner.run(editor.read("you> "))
        except (InputInterrupted, KeyboardInterrupt) as interrupted:
            if not getattr(interrupted, "text", ""):
                self._terminal.say("Ctrl-D or /exit ends the conversation.", "dim")
            return ""

    def _follow(self, message: str) -> bool:
        """Do what a message says; False if the conversation ends."""
        text = message.strip()
        if text.lower() in _GOODBYES:
            return False
        if message.startswith("/"):
            command = self._commands.get(text)
            if command is not None:
                return command()
            self._terminal.say(
                f"There is no command {foreign(text, 80)}. The commands are {', '.join(_COMMANDS)}. (A question that"
                " begins with / needs a space before it.)",
                "yellow",
            )
        elif text:
            self._runner.run(self._conversation.turn(text))
        return True

    def _help(self) -> bool:
        width = max(map(len, _COMMANDS))
        for line in (*(f"{name:<{width}}  {what}" for name, what in _COMMANDS.items()), "", *_KEYS):
            self._terminal.say(line)
        return True

    def _tools(self) -> bool:
        self._runner.run(show_tools(self._terminal, self._conversation.connection, self._settings))
        return True

    def _continue(self) -> bool:
        if self._conversation.can_resume:
            self._runner.run(self._conversation.resume())
        else:
            self._terminal.say("No answer was interrupted.", "yellow")
        return True

    def _login(self) -> bool:
        self._runner.run(self._signed_in_again())
        return True

    async def _signed_in_again(self) -> None:
        settings = self._settings
        with self._terminal.reaching(settings.mcp_public_url, typing=expects_paste(settings)) as say:
            connection = await connect(settings, say, self._terminal.trace, force=True)
        self._conversation.use(connection)
        await show_sign_in(self._terminal, connection)

    def _logout(self) -> bool:
        self._runner.run(logout(self._terminal))
        return False


def _line_editor(terminal: Terminal, settings: Settings) -> LineEditor:
    from ..terminal.line_editor import History, LineEditor  # slow to import, and not needed in pipes

    history = History(settings.gatehouse_home / "chat", terminal.say, encryption_for(settings, terminal.say))
    return LineEditor(history, _COMMANDS)
