"""The two cookies: the user's session, and a random value that binds a sign-in to the browser."""

from __future__ import annotations

import re
import secrets
from typing import Literal
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from ..state.store import Session
from .request import idp_of, issuer_of

MARK = re.compile(r"[A-Za-z0-9_-]{43}")


def current_session(request: Request) -> Session | None:
    """The browser's session, if it has not expired and its user still exists."""
    idp = idp_of(request)
    session = idp.store.sessions.get(request.cookies.get(_name(request, "session")), idp.clock.now())
    return session if session is not None and session.user_id in idp.tenant.users else None


def begin_session(request: Request, response: Response, user_id: str) -> Session:
    """Begin a session with a new key. The end of the old session prevents session fixation."""
    idp = idp_of(request)
    idp.store.sessions.drop(request.cookies.get(_name(request, "session")))
    now = idp.clock.now()
    lifetime = idp.tenant.settings.session_lifetime * 3600
    session = Session(secrets.token_urlsafe(24), user_id, now, now + lifetime)
    _set_cookie(request, response, "session", idp.store.sessions.add(session))
    return session


def end_session(request: Request, response: Response) -> None:
    idp_of(request).store.sessions.drop(request.cookies.get(_name(request, "session")))
    secure = _is_secure(request)
    response.delete_cookie(
        _name(request, "session"), secure=secure, httponly=True, samesite=_same_site(request, "session")
    )


def browser_mark(request: Request) -> str | None:
    mark = request.cookies.get(_name(request, "browser"), "")
    return mark if MARK.fullmatch(mark) else None


def new_browser_mark() -> str:
    return secrets.token_urlsafe(32)


def set_browser_mark(request: Request, response: Response, mark: str) -> None:
    _set_cookie(request, response, "browser", mark)


def _name(request: Request, purpose: str) -> str:
    # Cookies are shared by all ports of a host. With the port in the name, tenants on localhost have their own cookies.
    port = urlsplit(issuer_of(request)).port
    return f"auth0_{purpose}_{port}" if port else f"auth0_{purpose}"


def _set_cookie(request: Request, response: Response, purpose: str, value: str) -> None:
    secure = _is_secure(request)
    response.set_cookie(
        _name(request, purpose), value, secure=secure, httponly=True, samesite=_same_site(request, purpose)
    )


def _same_site(request: Request, purpose: str) -> Literal["lax", "none"]:
    """With https the session also reaches a hidden frame in an application of another site, for silent sign-in.

    Source: Auth0, sameSite Cookie Attribute Changes. No form works with the session alone: all need the browser mark.
    """
    return "none" if purpose == "session" and _is_secure(request) else "lax"


def _is_secure(request: Request) -> bool:
    return issuer_of(request).startswith("https:")
