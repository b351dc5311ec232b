"""The command line: names, options, help and exit codes. The work is in `commands`, imported when there is some."""

from __future__ import annotations

import asyncio
import logging
import sys
import warnings
from typing import Annotated

import typer

from ..errors import Exit
from ..terminal.output import Terminal
from .commandline import JsonOption, TraceOption, guard
from .completion import complete_argument, complete_tool
from .tenant import app as tenant

EPILOG = """
**Exit codes:** 0 done · 1 the tool or the agent failed, or `doctor` found something wrong · 2 wrong usage or
configuration · 3 not signed in: sign-in failed or was denied · 4 forbidden: a permission is missing · 5 the server or
the tenant cannot be reached · 130 interrupted

Settings come from the environment and from `.env`; `.env.example` explains them.
"""

app = typer.Typer(
    name="gatehouse",
    help="The agent that signs in to a protected MCP server.",
    epilog=EPILOG,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    invoke_without_command=True,
)

app.add_typer(tenant)


@app.callback()
def gatehouse(context: typer.Context, as_json: JsonOption = False, trace: TraceOption = False) -> None:
    logging.getLogger().addHandler(logging.NullHandler())  # what matters of it is told in sentences
    context.obj = Terminal(as_json=as_json, tracing=trace)
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit(Exit.OK)


@app.command()
def login(
    context: typer.Context,
    force: Annotated[bool, typer.Option("--force", help="Sign in anew, even if still signed in.")] = False,
    browser: Annotated[bool, typer.Option("--browser", help="With the browser of this machine.")] = False,
    paste: Annotated[bool, typer.Option("--paste", help="With a browser elsewhere, and its last address.")] = False,
    device: Annotated[bool, typer.Option("--device", help="On another device, with a code.")] = False,
    private: Annotated[bool, typer.Option("--private", help="In a private window of a browser.")] = False,
    as_json: JsonOption = False,
    trace: TraceOption = False,
) -> None:
    """Sign in to the server, if it asks for it."""

    def work(terminal: Terminal) -> None:
        from . import commands

        chosen: dict[str, object] = {"gatehouse_private_window": True} if private else {}
        for way, wanted in {"browser": browser, "paste": paste, "device": device}.items():
            if wanted:
                chosen["gatehouse_sign_in"] = way
        asyncio.run(commands.login(terminal, force=force, **chosen))

    guard(context, as_json, trace, work)


@app.command()
def logout(context: typer.Context, as_json: JsonOption = False, trace: TraceOption = False) -> None:
    """Remove the stored sign-in, and revoke it at the tenant."""

    def work(terminal: Terminal) -> None:
        from .. import identity

        asyncio.run(identity.logout(terminal))

    guard(context, as_json, trace, work)


@app.command()
def whoami(context: typer.Context, as_json: JsonOption = False, trace: TraceOption = False) -> None:
    """Show who is signed in, with which permissions, until when."""

    def work(terminal: Terminal) -> None:
        from .. import identity

        identity.whoami(terminal)

    guard(context, as_json, trace, work)


@app.command()
def token(
    context: typer.Context,
    raw: Annotated[bool, typer.Option("--raw", help="Print the token itself, for another program.")] = False,
    as_json: JsonOption = False,
    trace: TraceOption = False,
) -> None:
    """Show what the access token says."""

    def work(terminal: Terminal) -> None:
        from .. import identity

        asyncio.run(identity.token(terminal, raw=raw))

    guard(context, as_json, trace, work)


@app.command()
def tools(context: typer.Context, as_json: JsonOption = False, trace: TraceOption = False) -> None:
    """List the server's tools: what each needs, and how to call it."""

    def work(terminal: Terminal) -> None:
        from . import commands

        asyncio.run(commands.tools(terminal))

    guard(context, as_json, trace, work)


@app.command()
def call(
    context: typer.Context,
    tool: Annotated[str, typer.Argument(metavar="TOOL", help="The tool's name.", autocompletion=complete_tool)],
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE …]", autocompletion=complete_argument)
    ] = None,
    args: Annotated[str | None, typer.Option("--args", metavar="JSON", help="Arguments as a JSON object.")] = None,
    as_json: JsonOption = False,
    trace: TraceOption = False,
) -> None:
    """Call a tool. Values take the types of the tool's input schema."""

    def work(terminal: Terminal) -> None:
        from . import commands

        asyncio.run(commands.call(terminal, tool, arguments or [], args))

    guard(context, as_json, trace, work)


@app.command()
def ask(
    context: typer.Context,
    question: Annotated[list[str], typer.Argument(metavar="QUESTION…", help="The question, in one or more words.")],
    as_json: JsonOption = False,
    trace: TraceOption = False,
) -> None:
    """Ask the agent one question."""

    def work(terminal: Terminal) -> None:
        from . import commands

        asyncio.run(commands.ask(terminal, " ".join(question)))

    guard(context, as_json, trace, work)


@app.command()
def chat(context: typer.Context, as_json: JsonOption = False, trace: TraceOption = False) -> None:
    """Talk with the agent; it remembers what was said. Takes one question a line, from a pipe, too."""

    def work(terminal: Terminal) -> None:
        from . import commands

        with asyncio.Runner() as runner:
            commands.chat(terminal, runner)

    guard(context, as_json, trace, work)


@app.command()
def doctor(
    context: typer.Context,
    explain: Annotated[
        str | None,
        typer.Option("--explain", metavar="CHECK", help="What a check is about, and how to fix it; or all."),
    ] = None,
    register: Annotated[
        bool, typer.Option("--register", help="Register a client, which stays, to see what such a one meets.")
    ] = False,
    skip: Annotated[
        list[str] | None, typer.Option("--skip", metavar="CHECK", help="Leave a check out. May come more than once.")
    ] = None,
    as_json: JsonOption = False,
    trace: TraceOption = False,
) -> None:
    """Check the server and its tenant. Exits with 0 if nothing is wrong, else with 1."""

    def work(terminal: Terminal) -> None:
        from . import doctor

        if explain is not None:
            doctor.explain(terminal, explain)
            return
        if asyncio.run(doctor.doctor(terminal, register=register, skip=skip or [])):
            raise typer.Exit(Exit.FAILED)

    guard(context, as_json, trace, work)


def main() -> None:
    """The `gatehouse` command."""
    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # a library's advice to its callers is nothing for the person
    app()
