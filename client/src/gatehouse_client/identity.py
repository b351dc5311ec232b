"""The commands for the stored sign-in: whoami, token, logout. They need no MCP session."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from .account import Account, expects_paste, is_interactive
from .claims import claims_of, decoded
from .errors import NotSignedIn, UsageError
from .profiles import Profile
from .settings import Settings, load_settings
from .signin.ready_token import ReadyTokenAuth
from .storage.grant import Grant
from .terminal.output import Terminal


def whoami(terminal: Terminal) -> None:
    """Show who is signed in, with which permissions and until when. Nothing is sent.

    Raises:
        NotSignedIn: nobody is signed in, or the sign-in has expired.
    """
    grant = _signed_in(terminal)
    settings = settings_for(terminal)
    claims, profile = claims_of(grant.access_token), _profile(settings, grant)
    subject = str(claims.get("sub") or "")
    if terminal.as_json:
        terminal.result_json(sign_in_as_json(grant.server, grant, settings) | {"subject": subject or None})
        return
    shown = {
        "Person": grant.person or "(the token does not say)",
        "Subject": subject if subject != grant.person else "",
        "Server": grant.server,
        "Tenant": grant.issuer,
        "Permissions": " ".join(_permissions(grant, profile)) or "none",
        "By roles": " ".join(sorted(profile.allowed(claims) or ())),
        "Until": _until(grant),
    }
    terminal.fields({name: value for name, value in shown.items() if value})


async def token(terminal: Terminal, *, raw: bool) -> None:
    """Show the claims of the access token; or print the token itself, for another program.

    Raises:
        NotSignedIn: nobody is signed in.
        UsageError: the token is not a JWT.
        GatehouseError: as `connect`, if the token needs a renewal.
    """
    grant = _signed_in(terminal)
    if not grant.is_fresh(time.time()):
        grant = await _renewed(terminal) or grant
    if raw:
        terminal.result(grant.access_token)
        return
    header, claims = decoded(grant.access_token)
    if not claims:
        raise UsageError(
            "The access token is not a JWT: only the tenant can read it. `gatehouse token --raw` prints it."
        )
    terminal.result_json({"header": header, "claims": claims})


async def logout(terminal: Terminal) -> None:
    """Remove the stored sign-in and revoke it."""
    settings = settings_for(terminal)
    removed = await Account.from_settings(settings, terminal.say, terminal.trace).sign_out()
    if terminal.as_json:
        terminal.result_json({"server": settings.mcp_public_url, "signed_out": removed})
    else:
        terminal.result(f"Signed out of {settings.mcp_public_url}." if removed else "Nobody was signed in.")


def settings_for(terminal: Terminal, **chosen: object) -> Settings:
    """The settings. They can also switch the trace on.

    Args:
        chosen: options of the command line, which go before the environment and `.env`.
    """
    settings = load_settings(**chosen)
    terminal.tracing = terminal.tracing or settings.gatehouse_trace
    return settings


def _profile(settings: Settings, grant: Grant) -> Profile:
    """What the token of a sign-in grants."""
    return settings.profile.at(grant.issuer, grant.resource)


def _permissions(grant: Grant, profile: Profile) -> list[str]:
    return sorted(profile.permissions(grant.access_token, grant.scopes))


def sign_in_as_json(server: str, grant: Grant | None, settings: Settings) -> dict[str, object]:
    """A sign-in as JSON."""
    if grant is None:
        return {"server": server, "signed_in": False}
    return {
        "server": server,
        "signed_in": True,
        "person": grant.person,
        "issuer": grant.issuer,
        "scopes": sorted(grant.scopes),
        "permissions": _permissions(grant, _profile(settings, grant)),
        "expires_at": datetime.fromtimestamp(grant.expires_at, UTC).isoformat() if grant.expires_at else None,
        "renewable": grant.refresh_token is not None,
    }


def _until(grant: Grant) -> str:
    then = "then renewed without the browser" if grant.refresh_token else "then a new sign-in"
    if grant.expires_at is None:
        return f"the server refuses it, {then}"
    if not grant.is_alive(time.time()):
        return f"{local_time(grant.expires_at)}: the next call renews it without the browser"
    return f"{local_time(grant.expires_at)}, {then}"


def local_time(seconds: float) -> str:
    """A time for a person, in the local time zone."""
    return datetime.fromtimestamp(seconds, UTC).astimezone().strftime("%Y-%m-%d %H:%M %Z")


def _signed_in(terminal: Terminal) -> Grant:
    settings = settings_for(terminal)
    account = Account.from_settings(settings, terminal.say, terminal.trace)
    if isinstance(ready := account.auth(), ReadyTokenAuth):
        return ready.grant
    grant = account.store.load(settings.mcp_public_url, account.provider.owns)
    if grant is None:
        raise NotSignedIn(f"Nobody is signed in to {settings.mcp_public_url}: run `gatehouse login`.")
    if not grant.is_alive(time.time()) and grant.refresh_token is None:
        raise NotSignedIn(f"The sign-in to {grant.server} has expired: run `gatehouse login`.")
    return grant


async def _renewed(terminal: Terminal) -> Grant | None:
    from .mcp.session import connect  # slow to import, and rarely needed

    settings = settings_for(terminal)
    with terminal.reaching(settings.mcp_public_url, typing=expects_paste(settings)) as say:
        connection = await connect(settings, say, terminal.trace, interactive=is_interactive(settings))
    return connection.auth.grant
