"""What all commands of the command line share: options, and how a failure becomes a sentence and an exit code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from ..errors import Exit, GatehouseError
from ..terminal.output import Terminal

JsonOption = Annotated[bool, typer.Option("--json", help="Results as JSON.")]
TraceOption = Annotated[bool, typer.Option("--trace", help="Show each HTTP exchange on stderr, secrets masked.")]


def guard(context: typer.Context, as_json: bool, trace: bool, work: Callable[[Terminal], None]) -> None:
    """Do the work, and turn what goes wrong into a sentence and an exit code. Options count before and after the
    command's name."""
    terminal: Terminal = context.obj
    terminal.as_json = terminal.as_json or as_json
    terminal.tracing = terminal.tracing or trace
    try:
        work(terminal)
    except GatehouseError as error:
        terminal.fail(error)
        raise typer.Exit(error.exit_code) from None
    except KeyboardInterrupt:
        terminal.say("Interrupted.")
        raise typer.Exit(Exit.INTERRUPTED) from None
