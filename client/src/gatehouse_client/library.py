"""The sign-in for other MCP clients that take an `httpx2.Auth`."""

from __future__ import annotations

import sys

from .account import Account, SignedAuth
from .mcp.session import connect
from .settings import Settings
from .signin.flows.flow import Say
from .signin.http.trace import Trace


def _to_stderr(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def gatehouse_auth(settings: Settings, *, say: Say = _to_stderr) -> SignedAuth:
    """The auth object for `settings.mcp_public_url`. It signs in when a request needs it.

    Some MCP clients allow the first request only some seconds, which is too short for a person at a browser. Use
    `sign_in` for them.

    Args:
        say: gets messages for the person, such as the address of the sign-in; possibly from another thread.
    """
    return Account.from_settings(settings, say, Trace()).auth()


async def sign_in(settings: Settings, *, force: bool = False, say: Say = _to_stderr) -> SignedAuth:
    """The auth object after the sign-in. A stored sign-in is used if there is one.

    Args:
        force: sign in again, even if a sign-in is stored.
        say: as for `gatehouse_auth`.

    Raises:
        SignInError, ForbiddenError, UnreachableError, ConfigurationError: each with a message for the person.
    """
    return (await connect(settings, say, Trace(), force=force)).auth
