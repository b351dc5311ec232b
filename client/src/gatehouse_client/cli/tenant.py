"""The command line of `gatehouse tenant`: names, options, help. The work is in `commands`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..errors import Exit
from ..terminal.output import Terminal
from .commandline import JsonOption, TraceOption, guard

EPILOG = """
**Exit codes:** as for every command, and of `plan`: 0 no difference · 6 there are differences

The Management API is called with `AUTH0_MGMT_CLIENT_ID` and `AUTH0_MGMT_CLIENT_SECRET`, or `AUTH0_MGMT_TOKEN`;
`.env.example` explains them.
"""

app = typer.Typer(name="tenant", help="Bring an Auth0 tenant to what a file says.", epilog=EPILOG, no_args_is_help=True)

FileOption = Annotated[Path, typer.Option("--file", "-f", help="The tenant file, in the Deploy CLI's words.")]
UsersOption = Annotated[Path | None, typer.Option("--users", help="A file with `users` to make, too.")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
DEFAULT_FILE = Path("auth0/tenant.yaml")


@app.command()
def plan(
    context: typer.Context,
    file: FileOption = DEFAULT_FILE,
    users: UsersOption = None,
    as_json: JsonOption = False,
    trace: TraceOption = False,
) -> None:
    """Show where the tenant is not as the file says; change nothing. Exit code 6 when there is something."""
    outcome = Exit.OK

    def work(terminal: Terminal) -> None:
        from ..tenant import commands

        nonlocal outcome
        outcome = commands.plan(terminal, commands.Sources(file, users))

    guard(context, as_json, trace, work)
    raise typer.Exit(outcome)


@app.command()
def apply(
    context: typer.Context,
    file: FileOption = DEFAULT_FILE,
    users: UsersOption = None,
    yes: YesOption = False,
    env_file: Annotated[Path | None, typer.Option("--env-file", help="Write the result's settings here.")] = None,
    show_secrets: Annotated[bool, typer.Option("--show-secrets", help="Print secrets, too.")] = False,
    as_json: JsonOption = False,
    trace: TraceOption = False,
) -> None:
    """Bring the tenant to what the file says. Asks before it changes what it did not make; can be run again."""

    def work(terminal: Terminal) -> None:
        from ..tenant import commands

        sources = commands.Sources(file, users)
        commands.apply(terminal, sources, yes=yes, env_file=env_file, show_secrets=show_secrets)

    guard(context, as_json, trace, work)


@app.command()
def destroy(
    context: typer.Context,
    file: FileOption = DEFAULT_FILE,
    users: UsersOption = None,
    yes: YesOption = False,
    as_json: JsonOption = False,
    trace: TraceOption = False,
) -> None:
    """Take away what the file names, and nothing else. Asks first."""

    def work(terminal: Terminal) -> None:
        from ..tenant import commands

        commands.destroy(terminal, commands.Sources(file, users), yes=yes)

    guard(context, as_json, trace, work)


@app.command()
def export(
    context: typer.Context,
    form: Annotated[str, typer.Option("--format", help="auth0-cli, terraform or deploy-cli.")],
    file: FileOption = DEFAULT_FILE,
) -> None:
    """Print the same set-up for another tool."""

    def work(terminal: Terminal) -> None:
        from ..tenant import commands

        commands.export(terminal, commands.Sources(file), form)

    guard(context, False, False, work)
