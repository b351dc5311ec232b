"""The command line of `gatehouse tenant`: names, options and help. The work is in `tenant/commands.py`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .commandline import JsonOption, TraceOption, epilog, running

EPILOG = """
**Exit codes:** as for every command; also, for `plan`: 0 no differences · 6 differences

The credentials for the Management API are `AUTH0_MGMT_CLIENT_ID` and `AUTH0_MGMT_CLIENT_SECRET`, or
`AUTH0_MGMT_TOKEN`; `.env.example` explains them.
"""

app = typer.Typer(
    name="tenant", help="An Auth0 tenant as code, in a file.", epilog=epilog(EPILOG), no_args_is_help=True
)

FileOption = Annotated[Path, typer.Option("--file", "-f", help="The tenant file, in the Deploy CLI's format.")]
UsersOption = Annotated[Path | None, typer.Option("--users", help="A file with `users` to create.")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]
DEFAULT_FILE = Path("auth0/tenant.yaml")


@app.command()
def plan(
    context: typer.Context,
    file: FileOption = DEFAULT_FILE,
    users: UsersOption = None,
    as_json: JsonOption = False,
    trace: TraceOption = False,
) -> None:
    """Show where the tenant and the file differ; change nothing. The exit code is 6 if they differ."""
    with running(context, as_json, trace) as terminal:
        from ..tenant import commands

        raise typer.Exit(commands.plan(terminal, commands.Sources(file, users)))


@app.command()
def apply(
    context: typer.Context,
    file: FileOption = DEFAULT_FILE,
    users: UsersOption = None,
    yes: YesOption = False,
    env_file: Annotated[Path | None, typer.Option("--env-file", help="Write the settings to this file.")] = None,
    show_secrets: Annotated[bool, typer.Option("--show-secrets", help="Also print secrets.")] = False,
    give_role: Annotated[
        list[str] | None,
        typer.Option("--give-role", metavar="USER", help="Give the server's role to an e-mail address or user id."),
    ] = None,
    as_json: JsonOption = False,
    trace: TraceOption = False,
) -> None:
    """Change the tenant to what the file says. Asks before it changes an object that it did not create."""
    with running(context, as_json, trace) as terminal:
        from ..tenant import commands

        sources = commands.Sources(file, users)
        options = {"yes": yes, "show_secrets": show_secrets}
        commands.apply(terminal, sources, env_file=env_file, give_role=give_role or [], **options)


@app.command()
def destroy(
    context: typer.Context,
    file: FileOption = DEFAULT_FILE,
    users: UsersOption = None,
    yes: YesOption = False,
    as_json: JsonOption = False,
    trace: TraceOption = False,
) -> None:
    """Remove what the file names, and nothing else. Asks first."""
    with running(context, as_json, trace) as terminal:
        from ..tenant import commands

        commands.destroy(terminal, commands.Sources(file, users), yes=yes)
