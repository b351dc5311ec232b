"""What the person sees: results on stdout, everything else on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..errors import GatehouseError, foreign, printable
from ..signin.http.trace import Trace

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_UNSPOKEN: Final = "…"  # where the terminal is too narrow for a text


class Activity:
    """What goes on now: one line with a spinner on stderr, for a person only. It is gone when it is over."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress: Progress | None = None
        self._task: TaskID
        self._text = ""

    def show(self, text: str) -> None:
        """Begin, or go on with another text."""
        self._text = foreign(text) if self._console.width > 60 else _UNSPOKEN
        if not self._console.is_terminal or self._console.is_dumb_terminal:
            return
        if self._progress is None:
            from .spinner import spinner_line  # only who waits long enough to be told needs it

            self._progress = spinner_line(self._console)
            self._task = self._progress.add_task(self._text, total=None)
            self._progress.start()
        else:
            self._progress.update(self._task, description=self._text)

    def rename(self, text: str) -> None:
        """Go on with another text, if it still goes on."""
        if self._progress is not None:
            self.show(text)

    async def progress(self, progress: float, total: float | None, message: str | None) -> None:
        """How far a tool is (MCP progress)."""
        if self._progress is not None:
            text = f"{self._text}: {foreign(message, 60)}" if message else self._text
            self._progress.update(self._task, completed=progress, total=total, description=text)

    def hide(self) -> None:
        """End it."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None

    @contextmanager
    def hidden(self) -> Generator[None]:
        """Make room on the terminal for something else."""
        shown = self._progress is not None
        self.hide()
        try:
            yield
        finally:
            if shown:
                self.show(self._text)


@dataclass
class Terminal:
    """The two streams.

    Attributes:
        as_json: results as JSON on stdout; an error as JSON on stderr.
        tracing: whether HTTP exchanges are shown.
    """

    as_json: bool = False
    tracing: bool = False
    _out: Console = field(default_factory=lambda: Console(highlight=False, emoji=False))
    _err: Console = field(default_factory=lambda: Console(stderr=True, highlight=False, emoji=False))
    activity: Activity = field(init=False)

    _mid_line: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self.activity = Activity(self._err)

    @property
    def trace(self) -> Trace:
        return Trace(self._err if self.tracing else None)

    @property
    def is_conversation(self) -> bool:
        """Whether a person sits at both ends."""
        return sys.stdin.isatty() and self._err.is_terminal

    @property
    def is_watched(self) -> bool:
        """Whether a person reads the results as they come."""
        return self._out.is_terminal and not self.as_json

    @contextmanager
    def busy(self, text: str) -> Generator[Activity]:
        """Show an activity for the time of the context."""
        self.activity.show(text)
        try:
            yield self.activity
        finally:
            self.activity.hide()

    @contextmanager
    def reaching(self, server: str, *, typing: bool = False) -> Generator[Callable[[str], None]]:
        """Show that `server` is being reached. Yields what is to be told what the sign-in says.

        Args:
            typing: the person may answer the sign-in here: nothing is to be drawn over what is typed.
        """
        with self.busy(f"Reaching {server}") as activity:

            def say(text: str) -> None:
                self.say(text)
                if typing:
                    activity.hide()
                else:
                    activity.rename(f"Signing in to {server}")

            yield say

    def say(self, text: str, style: str | None = None) -> None:
        """Chatter: a line on stderr."""
        self.end_line()
        self._err.print(printable(text), style=style, markup=False, soft_wrap=True)

    def fail(self, error: GatehouseError) -> None:
        """The error, as a sentence or as JSON."""
        if self.as_json:
            self.say(json.dumps({"error": error.error, "message": str(error)}, ensure_ascii=False))
        else:
            self.say(str(error), "bold red")

    def ask(self, prompt: str) -> str:
        """A line from the person; empty at the end of the input."""
        try:
            return self._err.input(prompt, markup=False).strip()
        except EOFError:
            self.say("")
            return ""

    async def reply(self, prompt: str) -> str | None:
        """A line from the person while the event loop goes on; None at the end of the input. Can be cancelled."""
        from ..signin.flows.paste import read_stdin_line  # it needs an event loop, whose libraries few commands need

        with self.activity.hidden():
            self._err.print(printable(prompt), end="", markup=False, soft_wrap=True)
            line = await read_stdin_line()
            if line is None:
                self.say("")
            return line

    def write(self, text: str) -> None:
        """A part of a result, as it comes, for the person who watches."""
        self.activity.hide()
        typer.echo(printable(text), nl=False)
        self._mid_line = not text.endswith("\n")

    def end_line(self) -> None:
        """End the line that `write` left open."""
        if self._mid_line:
            self._mid_line = False
            typer.echo()

    def result(self, text: str) -> None:
        """A result: plain text on stdout, as it is for a program, harmless for a terminal."""
        self.end_line()
        with self.activity.hidden():
            typer.echo(printable(text) if self._out.is_terminal else text)

    def result_json(self, value: object) -> None:
        """A result: JSON on stdout, on one line unless a person looks at it."""
        indent = 2 if self._out.is_terminal else None
        with self.activity.hidden():
            typer.echo(json.dumps(value, ensure_ascii=False, indent=indent))

    def fields(self, values: dict[str, str]) -> None:
        """Names and values: below each other for a person; lines of tab-separated fields for a program."""
        self._table(Table.grid(padding=(0, 2)), list(values.items()))

    def table(self, headings: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
        """A table for a person; lines of tab-separated fields for a program."""
        self._table(Table(*headings, box=None, pad_edge=False, header_style="bold"), rows)

    def _table(self, table: Table, rows: Sequence[tuple[str, ...]]) -> None:
        if not self._out.is_terminal:
            for row in rows:
                self.result("\t".join(foreign(cell, 10_000) for cell in row))
            return
        for row in rows:
            table.add_row(*(Text(printable(cell)) for cell in row))
        self._out.print(table)
