"""What all commands share: the common options, and how an error becomes a message and an exit code."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from ..errors import Exit, GatehouseError
from ..terminal.output import Terminal

JsonOption = Annotated[bool, typer.Option("--json", help="Results as JSON.")]
TraceOption = Annotated[bool, typer.Option("--trace", help="Show each HTTP exchange on stderr, secrets masked.")]


@contextmanager
def running(context: typer.Context, as_json: bool, trace: bool) -> Iterator[Terminal]:
    """Yield the terminal to a command. An error of the command becomes a message and an exit code.

    The options may come before or after the command's name.
    """
    terminal: Terminal = context.obj
    terminal.as_json = terminal.as_json or as_json
    terminal.tracing = terminal.tracing or trace
    try:
        yield terminal
    except GatehouseError as error:
        terminal.fail(error)
        raise typer.Exit(error.exit_code) from None
    except KeyboardInterrupt:
        terminal.say("Interrupted.")
        raise typer.Exit(Exit.INTERRUPTED) from None
