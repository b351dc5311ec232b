"""The commands that need a session with the server."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..account import expects_paste, is_interactive
from ..errors import ToolError, UsageError
from ..foreign_text import foreign
from ..identity import local_time, settings_for, sign_in_as_json
from ..mcp.elicitation import Elicitation
from ..mcp.permissions import needed_by
from ..mcp.results import ResultFolder, has_text, result_text
from ..mcp.schema import call_form, parse_arguments
from ..mcp.session import Connection, connect
from ..settings import Settings
from ..terminal.output import Terminal
from .completion import remember


async def login(terminal: Terminal, *, force: bool, **chosen: object) -> None:
    """Sign in if the server requires it, open an MCP session, and show who is signed in."""
    connection = await _connect(terminal, login=True, force=force, **chosen)
    await show_sign_in(terminal, connection)


async def show_sign_in(terminal: Terminal, connection: Connection) -> None:
    """Open an MCP session, and show who is signed in."""
    with terminal.busy(f"Opening a session with {connection.url}"):
        async with connection.session():
            grant = connection.auth.grant
    if terminal.as_json:
        terminal.result_json(sign_in_as_json(connection.url, grant, settings_for(terminal)))
    elif grant is None:
        terminal.result(f"{connection.url} does not require a sign-in.")
    else:
        subject = f" ({foreign(grant.subject, 80)})" if grant.subject and grant.subject != grant.person else ""
        person = f" as {grant.person}{subject}" if grant.person else ""
        until = f" (access until {local_time(grant.expires_at)})" if grant.expires_at else ""
        terminal.result(f"Signed in to {connection.url}{person}{until}.")


async def tools(terminal: Terminal) -> None:
    """List the tools with their permissions, arguments and descriptions."""
    await show_tools(terminal, await _connect(terminal), settings_for(terminal))


async def show_tools(terminal: Terminal, connection: Connection, settings: Settings) -> None:
    """Ask the server for its tools, show them, and remember their names for the shell's completion."""
    with terminal.busy(f"Asking {connection.url} for its tools"):
        async with connection.session() as session:
            found = await session.tools()
    for name, reason in connection.left_out.items():
        terminal.say(f"The tool {name} is left out, because it is not valid MCP ({reason}).", "yellow")
    remember(settings.gatehouse_home, connection.url, found)
    if terminal.as_json:
        terminal.result_json([tool.model_dump(by_alias=True, mode="json", exclude_none=True) for tool in found])
        return
    base = [settings.required_permission] if connection.auth.grant else []
    rows = [
        (tool.name, " ".join([*base, *needed_by(tool)]), call_form(tool.input_schema), tool.description or "")
        for tool in found
    ]
    terminal.table(("Tool", "Needs", "Arguments", "Description"), rows)


async def call(terminal: Terminal, tool: str, pairs: Sequence[str], document: str | None, save: Path | None) -> None:
    """Call a tool with arguments converted by its schema, and show the result.

    Args:
        save: the folder for images, audio and binary resources of the result.
    """
    folder = ResultFolder(save) if save else None
    connection = await _connect(terminal)
    answer = Elicitation(terminal, connection.url).answer
    with terminal.busy(f"Calling {tool}") as activity:
        async with connection.session(answer) as session:
            found = {known.name: known for known in await session.tools()}
            if tool in connection.left_out:
                raise ToolError(
                    f"The tool {foreign(tool)} cannot be called: it is not valid MCP ({connection.left_out[tool]})."
                    " Report it to the developers of the server."
                )
            if tool not in found:
                raise UsageError(
                    f"The server has no tool {foreign(tool)}. Its tools are {foreign(', '.join(found)) or 'none'}."
                )
            arguments = parse_arguments(pairs, document, found[tool].input_schema)
            result = await session.call(tool, arguments, activity.progress)
    text = result_text(result, tool, folder)
    if terminal.as_json:
        saved = {"saved": folder.saved} if folder else {}
        terminal.result_json(result.model_dump(by_alias=True, mode="json", exclude_none=True) | saved)
        return
    if result.content:
        terminal.result(text)
    if result.structured_content is not None and not has_text(result):
        terminal.result_json(result.structured_content)
    elif not result.content:
        terminal.say(f"The result of {tool} is empty.")


async def ask(terminal: Terminal, question: str) -> bool:
    """Ask the agent one question; True if a tool failed."""
    from ..agent.conversation import open_conversation  # no other command here needs it

    conversation = await open_conversation(terminal, settings_for(terminal))
    return await conversation.turn(question)


async def _connect(terminal: Terminal, *, login: bool = False, force: bool = False, **chosen: object) -> Connection:
    settings = settings_for(terminal, **chosen)
    with terminal.reaching(settings.mcp_public_url, typing=expects_paste(settings)) as say:
        interactive = login or is_interactive(settings)
        return await connect(settings, say, terminal.trace, force=force, interactive=interactive)
