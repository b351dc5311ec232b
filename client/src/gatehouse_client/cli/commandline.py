"""What all commands share: the common options, and how an error becomes a message and an exit code."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup

from ..causes.providers import in_words_of, spoken_profile
from ..errors import Exit, GatehouseError, UsageError
from ..mcp.telemetry import traced
from ..terminal.output import Terminal

JsonOption = Annotated[bool, typer.Option("--json", help="Results as JSON.")]
TraceOption = Annotated[bool, typer.Option("--trace", help="Show each HTTP exchange on stderr, secrets masked.")]

_COLUMNS: Final = shutil.get_terminal_size().columns
_IS_NARROW: Final = _COLUMNS < 60
"""The columns of the help in boxes would cut names of options. Then the help has no boxes."""
HELP_FORM: Final = None if _IS_NARROW else "markdown"
HELP_WIDTH: Final = _COLUMNS if _IS_NARROW else None


def epilog(text: str) -> str:
    """The text in Markdown after a help, in the form of the help."""
    return text.replace("**", "") if _IS_NARROW else text


class Commands(TyperGroup):
    """The group of all commands. With `--json`, errors of the command line are also JSON.

    The arguments are used as they are given. (On Windows, `*`, `~` and `$NAME` in them would be replaced.)
    """

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = False,
        **extra: Any,  # noqa: ANN401 - as in the base class
    ) -> Any:  # noqa: ANN401 - as in the base class
        given = list(sys.argv[1:] if args is None else args)
        options = given[: given.index("--")] if "--" in given else given
        as_json = standalone_mode and "--json" in options
        try:
            code = super().main(
                args, prog_name, complete_var, standalone_mode and not as_json, windows_expand_args, **extra
            )
        except typer.TyperException as error:
            if not as_json:
                raise
            message = getattr(error, "format_message", error.__str__)()
            Terminal(as_json=True).fail(UsageError(message))
            code = Exit.CONFIGURATION
        if as_json:
            sys.exit(code or Exit.OK)
        return code


@contextmanager
def running(context: typer.Context, as_json: bool, trace: bool) -> Iterator[Terminal]:
    """Yield the terminal to a command. An error of the command becomes a message and an exit code.

    The options may come before or after the command's name.
    """
    terminal: Terminal = context.obj
    terminal.as_json = terminal.as_json or as_json
    terminal.tracing = terminal.tracing or trace
    try:
        with traced(context.info_name or "", terminal.say):
            yield terminal
    except GatehouseError as error:
        error.args = (in_words_of(spoken_profile(), str(error)),)
        terminal.fail(error)
        raise typer.Exit(error.exit_code) from None
    except KeyboardInterrupt:
        terminal.say("Interrupted.")
        raise typer.Exit(Exit.INTERRUPTED) from None
