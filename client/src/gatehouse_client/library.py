"""The sign-in for other MCP clients: anything that takes an `httpx2.Auth`."""

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
    """The auth object for `settings.mcp_public_url`; it signs in when a request needs it.

    Some MCP clients give the first request only seconds, too few for a person at a browser: `sign_in` goes ahead.

    Args:
        say: told what the person should know, such as the address of the sign-in; maybe from another thread.
    """
    return Account.from_settings(settings, say, Trace()).auth()


async def sign_in(settings: Settings, *, force: bool = False, say: Say = _to_stderr) -> SignedAuth:
    """The auth object, signed in: with what is stored, or else with the person.

    Args:
        force: sign in anew, whatever is stored.
        say: as for `gatehouse_auth`.

    Raises:
        SignInError, ForbiddenError, UnreachableError, ConfigurationError: each with a sentence for the person.
    """
    return (await connect(settings, say, Trace(), force=force)).auth
