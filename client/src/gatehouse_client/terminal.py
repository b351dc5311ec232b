"""What the person sees: results on stdout, everything else on stderr."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from .errors import GatehouseError, foreign, printable
from .trace import Trace


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

    @property
    def trace(self) -> Trace:
        return Trace(self._err if self.tracing else None)

    @property
    def is_conversation(self) -> bool:
        """Whether a person sits at both ends."""
        return sys.stdin.isatty() and self._err.is_terminal

    def say(self, text: str, style: str | None = None) -> None:
        """Chatter: a line on stderr."""
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

    def result(self, text: str) -> None:
        """A result: plain text on stdout, as it is for a program, harmless for a terminal."""
        typer.echo(printable(text) if self._out.is_terminal else text)

    def result_json(self, value: object) -> None:
        """A result: JSON on stdout, on one line unless a person looks at it."""
        indent = 2 if self._out.is_terminal else None
        typer.echo(json.dumps(value, ensure_ascii=False, indent=indent))

    def table(self, headings: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
        """A table for a person; lines of tab-separated fields for a program."""
        if not self._out.is_terminal:
            for row in rows:
                self.result("\t".join(foreign(cell, 10_000) for cell in row))
            return
        table = Table(*headings, box=None, pad_edge=False, header_style="bold")
        for row in rows:
            table.add_row(*(Text(printable(cell)) for cell in row))
        self._out.print(table)
