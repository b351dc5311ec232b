"""What each command does."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

from .account import Account
from .arguments import parse_arguments
from .conversation import open_conversation
from .errors import UsageError
from .grant import Grant
from .session import Connection, connect, text_of
from .settings import Settings, load_settings
from .terminal import Terminal


async def login(terminal: Terminal, *, force: bool, **chosen: object) -> None:
    """Sign in when the server asks for it, see that it is an MCP server, and say who is signed in."""
    connection = await _connect(terminal, force=force, **chosen)
    async with connection.session():
        grant = connection.auth.grant
    if terminal.as_json:
        terminal.result_json(_described(connection.url, grant))
    elif grant is None:
        terminal.result(f"{connection.url} does not ask for a sign-in.")
    else:
        person = f" as {grant.person}" if grant.person else ""
        until = f" (access until {_local(grant.expires_at)})" if grant.expires_at else ""
        terminal.result(f"Signed in to {connection.url}{person}{until}.")


async def logout(terminal: Terminal) -> None:
    """Remove the stored sign-in, and revoke it."""
    settings = _settings(terminal)
    removed = await Account.from_settings(settings, terminal.say, terminal.trace).sign_out()
    if terminal.as_json:
        terminal.result_json({"server": settings.mcp_public_url, "signed_out": removed})
    else:
        terminal.result(f"Signed out of {settings.mcp_public_url}." if removed else "Nobody was signed in.")


async def tools(terminal: Terminal) -> None:
    """Show the tools."""
    connection = await _connect(terminal)
    async with connection.session() as session:
        found = await session.tools()
    if terminal.as_json:
        terminal.result_json([tool.model_dump(by_alias=True, mode="json", exclude_none=True) for tool in found])
    else:
        terminal.table(("Tool", "Description"), [(tool.name, tool.description or "") for tool in found])


async def call(terminal: Terminal, tool: str, pairs: Sequence[str], document: str | None) -> None:
    """Call a tool, with the arguments typed by its schema, and show its result."""
    connection = await _connect(terminal)
    async with connection.session() as session:
        found = {known.name: known for known in await session.tools()}
        if tool not in found:
            raise UsageError(f"The server has no tool {tool}. Its tools are: {', '.join(found) or 'none'}.")
        result = await session.call(tool, parse_arguments(pairs, document, found[tool].input_schema))
    if terminal.as_json:
        terminal.result_json(result.model_dump(by_alias=True, mode="json", exclude_none=True))
    else:
        terminal.result(text_of(result))


async def ask(terminal: Terminal, question: str) -> None:
    """One question to the agent."""
    conversation = await open_conversation(terminal, _settings(terminal))
    await conversation.turn(question)


def chat(terminal: Terminal, runner: asyncio.Runner) -> None:
    """Questions until the input ends; between them the terminal, not the event loop, waits."""
    conversation = runner.run(open_conversation(terminal, _settings(terminal)))
    conversation.run(runner)


def _settings(terminal: Terminal, **chosen: object) -> Settings:
    settings = load_settings(**chosen)
    terminal.tracing = terminal.tracing or settings.gatehouse_trace
    return settings


async def _connect(terminal: Terminal, *, force: bool = False, **chosen: object) -> Connection:
    settings = _settings(terminal, **chosen)
    return await connect(settings, terminal.say, terminal.trace, force=force)


def _described(server: str, grant: Grant | None) -> dict[str, object]:
    if grant is None:
        return {"server": server, "signed_in": False}
    return {
        "server": server,
        "signed_in": True,
        "person": grant.person,
        "issuer": grant.issuer,
        "scopes": sorted(grant.scopes),
        "expires_at": datetime.fromtimestamp(grant.expires_at, UTC).isoformat() if grant.expires_at else None,
    }


def _local(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).astimezone().strftime("%Y-%m-%d %H:%M %Z")
