"""How a refusal leaves the tenant, after the replacements that the tenant's behaviours make."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ..errors import AuthorizationError, ClientAuthenticationFailed, InvalidRequest, OAuthError, Refusal
from ..pages.models import ErrorPage
from ..pages.rendering import render
from ..state.idp import Idp
from ..web.request import NO_STORE, idp_of

logger = logging.getLogger(__name__)

Endpoint = Callable[[Request], Awaitable[Response]]


class Settled(NamedTuple):
    """What is said: HTTP status, error code, description."""

    status: int
    error: str
    description: str


def settled(idp: Idp, refusal: Refusal) -> Settled:
    """The refusal's answer, or what replaces it where it is a guess (BEHAVIOURS.md)."""
    replaced = idp.behaviours.answers.get(refusal.guess or "")
    if replaced is None:
        return Settled(refusal.status, refusal.error, refusal.description)
    return Settled(
        replaced.status or refusal.status,
        replaced.error or refusal.error,
        refusal.description if replaced.description is None else replaced.description,
    )


def refused(idp: Idp, error: OAuthError) -> Response:
    """An OAuth error answer (RFC 6749 section 5.2)."""
    logger.info("refused: %s: %s (%s)", error.error, error.description, error.why)
    answer = settled(idp, error)
    headers = dict(NO_STORE)
    if isinstance(error, ClientAuthenticationFailed):
        headers["WWW-Authenticate"] = 'Basic realm="Users"'
    body = {"error": answer.error, "error_description": answer.description}
    return JSONResponse(body, status_code=answer.status, headers=headers)


def error_page(request: Request, error: Refusal, *, kept_from: str | None = None) -> Response:
    """A page that says what a real tenant says, and explains it.

    `kept_from` names the client that would have got the error at its callback otherwise.
    """
    logger.info("refused on a page: %s: %s", error.error, error.description)
    answer = settled(idp_of(request), error)
    page = ErrorPage(answer.error, answer.description, error.case, kept_from)
    return render(request, page, status=answer.status)


def on_page(endpoint: Endpoint) -> Endpoint:
    """An endpoint whose refusals are pages."""

    @wraps(endpoint)
    async def answer(request: Request) -> Response:
        try:
            return await endpoint(request)
        except (InvalidRequest, AuthorizationError) as error:
            return error_page(request, error)

    return answer
