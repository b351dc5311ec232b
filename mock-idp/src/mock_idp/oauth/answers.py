"""The answers that refuse a request, and redirects. `behaviours.answers` can replace a refusal that is a guess."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from ..errors import AuthorizationError, ClientAuthenticationFailed, InvalidRequest, OAuthError, Refusal
from ..pages.models import ErrorPage
from ..pages.rendering import render
from ..state.idp import Idp
from ..web.request import NO_STORE, idp_of

logger = logging.getLogger(__name__)

Endpoint = Callable[[Request], Awaitable[Response]]


class Answer(NamedTuple):
    """The HTTP status, error code and description that leave the tenant."""

    status: int
    error: str
    description: str


def answer_to(idp: Idp, refusal: Refusal) -> Answer:
    """The refusal's own answer, or the replacement that offline.yaml has for it (see BEHAVIOURS.md)."""
    replacement = idp.behaviours.answers.get(refusal.guess or "")
    if replacement is None:
        return Answer(refusal.status, refusal.error, refusal.description)
    return Answer(
        replacement.status or refusal.status,
        replacement.error or refusal.error,
        refusal.description if replacement.description is None else replacement.description,
    )


def error_response(idp: Idp, error: OAuthError) -> Response:
    """An OAuth error as JSON (RFC 6749 section 5.2)."""
    logger.info("refused: %s: %s (%s)", error.error, error.description, error.why)
    answer = answer_to(idp, error)
    headers = dict(NO_STORE)
    if isinstance(error, ClientAuthenticationFailed):
        headers["WWW-Authenticate"] = 'Basic realm="Users"'
    body = {"error": answer.error, "error_description": answer.description}
    if error.uri is not None:
        body["error_uri"] = error.uri
    return JSONResponse(body, status_code=answer.status, headers=headers)


def error_page(request: Request, error: Refusal, *, kept_from: str | None = None) -> Response:
    """A page with the text of a real tenant and an explanation.

    `kept_from` is the name of a client that would get the error at its callback under another redirection policy.
    """
    logger.info("refused on a page: %s: %s", error.error, error.description)
    answer = answer_to(idp_of(request), error)
    page = ErrorPage(answer.error, answer.description, error.case, kept_from)
    return render(request, page, status=answer.status)


def with_error_pages(endpoint: Endpoint) -> Endpoint:
    """An endpoint whose refusals are pages."""

    @wraps(endpoint)
    async def respond(request: Request) -> Response:
        try:
            return await endpoint(request)
        except (InvalidRequest, AuthorizationError) as error:
            return error_page(request, error)

    return respond


def redirect(url: str) -> RedirectResponse:
    return RedirectResponse(url, status_code=302, headers={"Cache-Control": "no-store"})
