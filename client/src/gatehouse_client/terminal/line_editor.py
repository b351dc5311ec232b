"""Reading messages on a terminal: line editing, several lines, completion, and a history across runs.

The history has what a person wrote, which can be private: it is a private file, and encrypted as the sign-ins are.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import WordCompleter
from prompt_toolkit.history import InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings
from prompt_toolkit.output.defaults import create_output
from prompt_toolkit.shortcuts import CompleteStyle
from prompt_toolkit.utils import is_dumb_terminal
from pydantic import BaseModel, Field

from ..storage.encryption import Encryption
from ..storage.private_files import PrivateFolder

if TYPE_CHECKING:
    from prompt_toolkit.input import Input
    from prompt_toolkit.key_binding import KeyPressEvent
    from prompt_toolkit.output import Output

MAX_MESSAGES: Final = 500
MAX_LENGTH: Final = 4000  # characters; a longer message is not kept


class InputInterrupted(Exception):
    """The person typed Ctrl-C.

    Attributes:
        text: what was typed before it.
    """

    text = ""


class _Messages(BaseModel):
    messages: list[str] = Field(default_factory=list)


class History:
    """The newest messages of all runs, oldest first, in a private file.

    A message that begins with a space is not kept, so that a person can keep a secret out of the file. If the file
    cannot be used, this is said once, and the messages of this run are not kept.

    Args:
        folder: created when needed.
        say: gets a message if the file cannot be read or written.

    Raises:
        ConfigurationError: as `PrivateFolder`.
    """

    def __init__(self, folder: Path, say: Callable[[str], None], encryption: Encryption) -> None:
        self._folder = PrivateFolder(folder, "The history of chat", self._stop_keeping, encryption)
        self._path = folder / "history.json"
        self._say = say
        self._is_kept = True
        self.messages = self._stored()

    def add(self, message: str) -> None:
        """Keep a message, also in the file."""
        if message.startswith(" ") or len(message) > MAX_LENGTH or self.messages[-1:] == [message]:
            return
        self.messages = [*self.messages, message][-MAX_MESSAGES:]
        if not self._is_kept:
            return
        kept = [*self._stored(), message][-MAX_MESSAGES:]  # another chat may have written since
        try:
            self._folder.write(self._path, _Messages(messages=kept))
        except OSError as error:
            self._stop_keeping(f"The history of chat cannot be kept in {self._folder.path} ({error.strerror}).")

    def _stop_keeping(self, reason: str) -> None:
        if self._is_kept:
            self._say(reason)
        self._is_kept = False

    def _stored(self) -> list[str]:
        stored = self._folder.read(self._path, _Messages)
        return stored.messages[-MAX_MESSAGES:] if stored else []


class LineEditor:
    """Reads messages. Enter ends a message; Alt-Enter and pasted line ends are new lines in it. TAB completes commands.

    Args:
        commands: the words to complete at the beginning of a message, with their descriptions.
        input_: where keys come from; None for the terminal of standard input.
        output: where the message is shown; None for the terminal of standard error.
    """

    def __init__(
        self,
        history: History,
        commands: Mapping[str, str],
        *,
        input_: Input | None = None,
        output: Output | None = None,
    ) -> None:
        self._history = history
        self._completer = WordCompleter([*commands], meta_dict=commands, sentence=True)
        self._input = input_
        self._output = output or _output()
        self._keys = KeyBindings()
        self._keys.add("escape", "enter")(_new_line)

    async def read(self, prompt: str) -> str | None:
        """The person's next message, which is added to the history; None at the end of the input.

        Raises:
            InputInterrupted: the person typed Ctrl-C.
        """
        session: PromptSession[str] = PromptSession(
            prompt,
            history=InMemoryHistory(self._history.messages),
            completer=self._completer,
            complete_while_typing=False,
            complete_style=CompleteStyle.READLINE_LIKE,
            key_bindings=self._keys,
            enable_suspend=True,
            prompt_continuation=lambda width, *_: " " * width,
            interrupt_exception=InputInterrupted,
            input=self._input,
            output=self._output,
        )
        try:
            message: str = await session.prompt_async(handle_sigint=False)
        except EOFError:
            return None
        except InputInterrupted as interrupted:
            interrupted.text = session.default_buffer.text
            raise
        if message.strip():
            self._history.add(message)
        return message


def _new_line(event: KeyPressEvent) -> None:
    event.current_buffer.insert_text("\n")


def _output() -> Output | None:
    """Standard error. None on a terminal without cursor movements: then prompt_toolkit shows plain text.

    The position of the cursor is not asked for: not every terminal answers, and a late answer would be input.
    """
    if is_dumb_terminal():
        return None
    output = create_output(stdout=sys.stderr)
    if hasattr(output, "enable_cpr"):
        output.enable_cpr = False
    return output
