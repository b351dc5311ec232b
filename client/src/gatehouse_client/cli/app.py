"""The command line: names, options, help and exit codes. Each command imports its work only when it runs."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
import warnings
from pathlib import Path
from typing import Annotated

import typer

from .. import __version__
from ..errors import Exit
from ..terminal.encodings import replace_unknown_characters
from ..terminal.output import Terminal
from .commandline import HELP_FORM, HELP_WIDTH, Commands, JsonOption, TraceOption, epilog, running
from .completion import complete_argument, complete_tool
from .tenant import app as tenant

EPILOG = """
**Exit codes:** 0 done · 1 the tool or the agent failed, or `doctor` found something wrong · 2 wrong usage or
configuration · 3 not signed in: the sign-in failed or was denied · 4 forbidden: a permission is missing · 5 the server
or the tenant cannot be reached · 6 `tenant plan` found differences · 130 interrupted

Settings come from the environment and from `.env`; `.env.example` explains them.
"""

app = typer.Typer(
    name="gatehouse",
    cls=Commands,
    help="The agent that signs in to a protected MCP server.",
    epilog=epilog(EPILOG),
    rich_markup_mode=HELP_FORM,
    context_settings={"terminal_width": HELP_WIDTH},
    pretty_exceptions_enable=False,
    invoke_without_command=True,
)

app.add_typer(tenant)


@app.callback()
def gatehouse(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False,
    as_json: JsonOption = False,
    trace: TraceOption = False,
) -> None:
    logging.getLogger().addHandler(logging.NullHandler())  # errors are shown as messages instead
    terminal = context.obj = Terminal(as_json=as_json, tracing=trace)
    if version:
        if as_json:
            terminal.result_json({"version": __version__})
        else:
            terminal.result(f"gatehouse {__version__}")
        raise typer.Exit(Exit.OK)
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit(Exit.OK)


@app.command()
def login(
    context: typer.Context,
    force: Annotated[bool, typer.Option("--force", help="Sign in again, even if still signed in.")] = False,
    browser: Annotated[bool, typer.Option("--browser", help="Sign in with the browser of this machine.")] = False,
    paste: Annotated[
        bool, typer.Option("--paste", help="Sign in with a browser elsewhere; paste its last address.")
    ] = False,
    device: Annotated[bool, typer.Option("--device", help="Sign in on another device with a code.")] = False,
    private: Annotated[bool, typer.Option("--private", help="Sign in with a private browser window.")] = False,
    as_json: JsonOption = False,
    trace: TraceOption = False,
) -> None:
    """Sign in to the server, if it requires a sign-in."""
    with running(context, as_json, trace) as terminal:
        from . import commands

        chosen: dict[str, object] = {"gatehouse_private_window": True} if private else {}
        for method, wanted in {"browser": browser, "paste": paste, "device": device}.items():
            if wanted:
                chosen["gatehouse_sign_in"] = method
        asyncio.run(commands.login(terminal, force=force, **chosen))


@app.command()
def logout(context: typer.Context, as_json: JsonOption = False, trace: TraceOption = False) -> None:
    """Remove the stored sign-in and revoke it at the tenant."""
    with running(context, as_json, trace) as terminal:
        from .. import identity

        asyncio.run(identity.logout(terminal))


@app.command()
def whoami(context: typer.Context, as_json: JsonOption = False, trace: TraceOption = False) -> None:
    """Show who is signed in, the permissions, and when the access ends."""
    with running(context, as_json, trace) as terminal:
        from .. import identity

        identity.whoami(terminal)


@app.command()
def token(
    context: typer.Context,
    raw: Annotated[bool, typer.Option("--raw", help="Print the token itself, for another program.")] = False,
    as_json: JsonOption = False,
    trace: TraceOption = False,
) -> None:
    """Show the claims of the access token."""
    with running(context, as_json, trace) as terminal:
        from .. import identity

        asyncio.run(identity.token(terminal, raw=raw))


@app.command()
def tools(context: typer.Context, as_json: JsonOption = False, trace: TraceOption = False) -> None:
    """List the server's tools with their permissions and arguments."""
    with running(context, as_json, trace) as terminal:
        from . import commands

        asyncio.run(commands.tools(terminal))


@app.command()
def call(
    context: typer.Context,
    tool: Annotated[str, typer.Argument(metavar="TOOL", help="The tool's name.", autocompletion=complete_tool)],
    arguments: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KEY=VALUE …]", help="Arguments of the tool.", autocompletion=complete_argument),
    ] = None,
    args: Annotated[str | None, typer.Option("--args", metavar="JSON", help="Arguments as a JSON object.")] = None,
    save: Annotated[
        Path | None,
        typer.Option("--save", metavar="FOLDER", help="Save images, audio and files of the result in new files."),
    ] = None,
    as_json: JsonOption = False,
    trace: TraceOption = False,
) -> None:
    """Call a tool. Values are converted to the types of the tool's input schema."""
    with running(context, as_json, trace) as terminal:
        from . import commands

        asyncio.run(commands.call(terminal, tool, arguments or [], args, save))


@app.command()
def ask(
    context: typer.Context,
    question: Annotated[list[str], typer.Argument(metavar="QUESTION…", help="The question, in one or more words.")],
    as_json: JsonOption = False,
    trace: TraceOption = False,
) -> None:
    """Ask the agent one question. The exit code is 1 if a tool failed."""
    with running(context, as_json, trace) as terminal:
        from . import commands

        if asyncio.run(commands.ask(terminal, " ".join(question))):
            raise typer.Exit(Exit.FAILED)


@app.command()
def chat(context: typer.Context, as_json: JsonOption = False, trace: TraceOption = False) -> None:
    """Talk with the agent; it remembers the conversation. In a pipe each line is a question."""
    with running(context, as_json, trace) as terminal:
        from .chat import chat

        with asyncio.Runner() as runner:
            if chat(terminal, runner):
                raise typer.Exit(Exit.FAILED)


@app.command()
def doctor(
    context: typer.Context,
    explain: Annotated[
        str | None,
        typer.Option("--explain", metavar="CHECK", help="Explain a check and its fix; `all` explains all checks."),
    ] = None,
    others: Annotated[
        bool, typer.Option("--others", help="Also check what MCP clients of other people need: no error if it lacks.")
    ] = False,
    register: Annotated[
        bool, typer.Option("--register", help="As --others, with a client that is registered and stays in the tenant.")
    ] = False,
    skip: Annotated[
        list[str] | None, typer.Option("--skip", metavar="CHECK", help="Skip a check. Can be repeated.")
    ] = None,
    as_json: JsonOption = False,
    trace: TraceOption = False,
) -> None:
    """Check the server and its tenant. The exit code is 0 if the configured way to sign in works, otherwise 1."""
    with running(context, as_json, trace) as terminal:
        from . import doctor

        if explain is not None:
            doctor.explain(terminal, explain)
            return
        if asyncio.run(doctor.doctor(terminal, others=others, register=register, skip=skip or [])):
            raise typer.Exit(Exit.FAILED)


def main() -> None:
    """The `gatehouse` command."""
    # Imports make many objects that stay. To look through them takes a twentieth of a run.
    gc.set_threshold(100_000, 50, 50)
    replace_unknown_characters()
    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # warnings of libraries are for developers
    app()
