"""What each command does."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, datetime

from .account import Account
from .arguments import parse_arguments
from .claims import claims_of, decoded
from .completion import remember
from .conversation import open_conversation
from .elicitation import Elicitation
from .errors import NotSignedIn, UsageError, foreign
from .grant import Grant
from .permissions import needed_by, permissions_of, roles_allow
from .schema import call_form
from .session import Connection, connect, text_of
from .settings import Settings, load_settings
from .terminal import Terminal


async def login(terminal: Terminal, *, force: bool) -> None:
    """Sign in when the server asks for it, see that it is an MCP server, and say who is signed in."""
    connection = await _connect(terminal, force=force)
    with terminal.busy(f"Opening a session with {connection.url}"):
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


async def whoami(terminal: Terminal) -> None:
    """Say who is signed in, what for and until when, without asking anybody.

    Raises:
        NotSignedIn: nobody is, or the sign-in has run out.
    """
    grant = _signed_in(terminal)
    claims = claims_of(grant.access_token)
    subject = str(claims.get("sub") or "")
    if terminal.as_json:
        terminal.result_json(_described(grant.server, grant) | {"subject": subject or None})
        return
    shown = {
        "Person": grant.person or "(the token does not say)",
        "Subject": subject if subject != grant.person else "",
        "Server": grant.server,
        "Tenant": grant.issuer,
        "Permissions": " ".join(permissions_of(grant)) or "none",
        "By roles": " ".join(roles_allow(claims)),
        "Until": _until(grant),
    }
    terminal.fields({name: value for name, value in shown.items() if value})


async def token(terminal: Terminal, *, raw: bool) -> None:
    """Show what the access token says; or print the token itself, for another program.

    Raises:
        NotSignedIn: nobody is signed in.
        UsageError: the token is not a JWT, so that there is nothing to decode.
        GatehouseError: as `connect`, when the token has to be renewed.
    """
    grant = _signed_in(terminal)
    if not grant.is_fresh(time.time()):
        grant = (await _connect(terminal)).auth.grant or grant
    if raw:
        terminal.result(grant.access_token)
        return
    header, claims = decoded(grant.access_token)
    if not claims:
        raise UsageError(
            "The access token is not a JWT: only the tenant can read it. `gatehouse token --raw` prints it."
        )
    terminal.result_json({"header": header, "claims": claims})


async def tools(terminal: Terminal) -> None:
    """Show the tools: what each needs, how to call it, what it does."""
    connection = await _connect(terminal)
    with terminal.busy(f"Asking {connection.url} for its tools"):
        async with connection.session() as session:
            found = await session.tools()
    settings = _settings(terminal)
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


async def call(terminal: Terminal, tool: str, pairs: Sequence[str], document: str | None) -> None:
    """Call a tool, with the arguments typed by its schema, and show its result."""
    connection = await _connect(terminal)
    answer = Elicitation(terminal, connection.url).answer
    with terminal.busy(f"Calling {tool}") as activity:
        async with connection.session(answer) as session:
            found = {known.name: known for known in await session.tools()}
            if tool not in found:
                raise UsageError(
                    f"The server has no tool {foreign(tool)}. Its tools are: {foreign(', '.join(found)) or 'none'}."
                )
            arguments = parse_arguments(pairs, document, found[tool].input_schema)
            result = await session.call(tool, arguments, activity.progress)
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


def _settings(terminal: Terminal) -> Settings:
    settings = load_settings()
    terminal.tracing = terminal.tracing or settings.gatehouse_trace
    return settings


async def _connect(terminal: Terminal, *, force: bool = False) -> Connection:
    settings = _settings(terminal)
    with terminal.reaching(settings.mcp_public_url) as say:
        return await connect(settings, say, terminal.trace, force=force)


def _signed_in(terminal: Terminal) -> Grant:
    settings = _settings(terminal)
    account = Account.from_settings(settings, terminal.say, terminal.trace)
    grant = account.store.load(settings.mcp_public_url, account.options.owns)
    if grant is None:
        raise NotSignedIn(f"Nobody is signed in to {settings.mcp_public_url}: run `gatehouse login`.")
    if not grant.is_alive(time.time()) and grant.refresh_token is None:
        raise NotSignedIn(f"The sign-in to {grant.server} has run out: run `gatehouse login`.")
    return grant


def _described(server: str, grant: Grant | None) -> dict[str, object]:
    if grant is None:
        return {"server": server, "signed_in": False}
    return {
        "server": server,
        "signed_in": True,
        "person": grant.person,
        "issuer": grant.issuer,
        "scopes": sorted(grant.scopes),
        "permissions": permissions_of(grant),
        "expires_at": datetime.fromtimestamp(grant.expires_at, UTC).isoformat() if grant.expires_at else None,
        "renewable": grant.refresh_token is not None,
    }


def _until(grant: Grant) -> str:
    then = "then renewed without the browser" if grant.refresh_token else "then a new sign-in"
    if grant.expires_at is None:
        return f"the server refuses it, {then}"
    if not grant.is_alive(time.time()):
        return f"{_local(grant.expires_at)}: the next call renews it without the browser"
    return f"{_local(grant.expires_at)}, {then}"


def _local(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).astimezone().strftime("%Y-%m-%d %H:%M %Z")
