"""Output for the person: results on stdout, everything else on stderr."""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import typer
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..errors import GatehouseError
from ..foreign_text import foreign, json_text, printable
from ..signin.http.trace import Trace
from .encodings import is_encodable
from .invocation import as_typed

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_LAST_COLUMN: Final = 20  # columns of the terminal that a table needs for its last column
_BESIDE_LABEL: Final = 30  # columns that a text needs beside its label
_BELOW_LABEL: Final = 6


class Activity:
    """The current activity: a line with a spinner on stderr, only on a terminal. It disappears at the end."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress: Progress | None = None
        self._task: TaskID
        self._text = ""

    def show(self, text: str) -> None:
        """Show the line, or change its text."""
        self._text = foreign(text)
        if not self._console.is_terminal or self._console.is_dumb_terminal:
            return
        if self._progress is None:
            from .spinner import spinner_line  # slow to import, and not needed in pipes

            self._progress = spinner_line(self._console)
            self._task = self._progress.add_task(self._text, total=None)
            self._progress.start()
        else:
            self._progress.update(self._task, description=self._text)

    def rename(self, text: str) -> None:
        """Change the text, if the line is shown."""
        if self._progress is not None:
            self.show(text)

    async def progress(self, progress: float, total: float | None, message: str | None) -> None:
        """Show the progress of a tool (MCP progress)."""
        if self._progress is not None:
            text = f"{self._text}: {foreign(message, 60)}" if message else self._text
            self._progress.update(self._task, completed=progress, total=total, description=text)

    def hide(self) -> None:
        """Remove the line."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None

    @contextmanager
    def hidden(self) -> Generator[None]:
        """Hide the line in this context."""
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
        as_json: whether results and errors are shown as JSON.
        tracing: whether HTTP exchanges are shown.
    """

    as_json: bool = False
    tracing: bool = False
    # With FORCE_COLOR, rich treats a pipe as a terminal. The form of the output must not depend on it.
    _out: Console = field(
        default_factory=lambda: Console(highlight=False, emoji=False, force_terminal=sys.stdout.isatty())
    )
    _err: Console = field(
        default_factory=lambda: Console(stderr=True, highlight=False, emoji=False, force_terminal=sys.stderr.isatty())
    )
    activity: Activity = field(init=False)

    _mid_line: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self.activity = Activity(self._err)

    @property
    def trace(self) -> Trace:
        return Trace(self._err if self.tracing else None)

    @property
    def is_conversation(self) -> bool:
        """Whether stdin and stderr are a terminal, so that a person can answer."""
        return sys.stdin.isatty() and self._err.is_terminal

    @property
    def is_watched(self) -> bool:
        """Whether stdout is a terminal, so that a person sees results at once."""
        return self._out.is_terminal and not self.as_json

    @contextmanager
    def busy(self, text: str) -> Generator[Activity]:
        """Show an activity in this context."""
        self.activity.show(text)
        try:
            yield self.activity
        finally:
            self.activity.hide()

    @contextmanager
    def reaching(self, server: str, *, typing: bool = False) -> Generator[Callable[[str], None]]:
        """Show the activity of connecting to `server`. Yields the function for messages of the sign-in.

        Args:
            typing: whether the person can type an answer here. Then the activity is hidden at the first message.
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
        """Show a message on stderr."""
        self.end_line()
        self._err.print(as_typed(printable(text)), style=style, markup=False, soft_wrap=True)

    def fail(self, error: GatehouseError) -> None:
        """Show an error, as text or as JSON."""
        if self.as_json:
            party = {"party": error.party} if error.party else {}
            self.say(_json({"error": error.error, "message": str(error), **party}))
        else:
            self.say(str(error), "bold red")

    def ask(self, prompt: str) -> str:
        """Read a line from the person; empty at the end of the input."""
        try:
            return self._err.input(prompt, markup=False).strip()
        except EOFError:
            self.say("")
            return ""

    async def reply(self, prompt: str) -> str | None:
        """Read a line from the person in an event loop; None at the end of the input. Can be cancelled."""
        from ..signin.flows.paste import read_stdin_line  # loads anyio, which few commands need

        with self.activity.hidden():
            self._err.print(printable(prompt), end="", markup=False, soft_wrap=True)
            line = await read_stdin_line()
            if line is None:
                self.say("")
            return line

    def write(self, text: str) -> None:
        """Show a part of a result at once."""
        self.activity.hide()
        typer.echo(printable(text), nl=False)
        self._mid_line = not text.endswith("\n")

    def end_line(self) -> None:
        """End the line, if `write` left it open."""
        if self._mid_line:
            self._mid_line = False
            typer.echo()

    def result(self, text: str) -> None:
        """Print a result on stdout. On a terminal, control characters are removed; a pipe gets the text as it is."""
        self.end_line()
        with self.activity.hidden():
            typer.echo(printable(text) if self._out.is_terminal else text, color=True)  # it would strip sequences

    def labelled(self, label: str, text: str, indent: int) -> None:
        """Print a text beside its label. On a terminal it is wrapped there, or below the label if that is too narrow.

        Args:
            indent: the column at which the text begins.
        """
        if not self._out.is_terminal:
            self.result(f"{label:<{indent}}{text}")
            return
        if self._out.width < indent + _BESIDE_LABEL:
            if label.strip():
                self.result(label.rstrip())
            label, indent = "", _BELOW_LABEL
        for line in _wrapped(printable(text), self._out.width - indent):
            self.result(f"{label:<{indent}}{line}".rstrip())
            label = ""

    def result_json(self, value: object) -> None:
        """Print a result as JSON on stdout: indented on a terminal, else on one line."""
        indent = 2 if self._out.is_terminal else None
        with self.activity.hidden():
            typer.echo(_json(value, indent))

    def fields(self, values: dict[str, str]) -> None:
        """Print names and values: as a list on a terminal, else as tab-separated lines."""
        width = max(map(len, values), default=0) if self._out.is_terminal else 0
        for name, value in values.items():
            self.result(f"{name:<{width}}  {value}" if width else _tab_separated((name, value)))

    def table(self, headings: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
        """Print a table on a terminal, else tab-separated lines.

        Only the last column is wrapped. If the others need the whole width, each row is a list: names and ids are never
        cut.
        """
        if not self._out.is_terminal:
            for row in rows:
                self.result(_tab_separated(row))
            return
        widths = [max(map(cell_len, column)) + 1 for column in list(zip(headings, *rows, strict=True))[:-1]]
        if sum(widths) + _LAST_COLUMN > self._out.width:
            for first, *others in rows:
                self.result(first)
                for heading, cell in zip(headings[1:], others, strict=True):
                    if cell:
                        self.result(f"  {heading}: {cell}")
            return
        table = Table(box=None, pad_edge=False, header_style="bold")
        for heading in headings:
            table.add_column(heading, no_wrap=heading is not headings[-1])
        for row in rows:
            table.add_row(*(Text(printable(cell)) for cell in row))
        self._out.print(table)


def _wrapped(text: str, width: int) -> list[str]:
    """The lines of a text. A word such as a URL is never broken, so that it can be copied."""
    return textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False) or [""]


def _tab_separated(cells: Iterable[str]) -> str:
    return "\t".join(foreign(cell, 10_000) for cell in cells)


def _json(value: object, indent: int | None = None) -> str:
    """The value as JSON. If the encoding of the streams lacks a character, all characters outside ASCII are escaped."""
    text = json_text(value, indent)
    return text if is_encodable(text) else json.dumps(value, indent=indent)
