"""Access to the Management API: a request needs a token with one of the endpoint's scopes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ..errors import MalformedRequest
from ..formats.parsing import verified_claims
from ..oauth.answers import answer_to
from ..state.idp import Idp
from ..tenant.loading import ConfigurationError
from ..tenant.model import management_identifier
from ..web.request import idp_of, issuer_of
from .errors import DanglingReference, Inexistent, InsufficientScope, InvalidBody, ManagementError, Unauthenticated

Endpoint = Callable[[Request], Awaitable[Response]]
GRANTED = "mock_idp.management_scopes"
# Requests per second of a free tenant (Auth0: Rate Limit Configurations). Only a fault enforces the limit.
LIMIT = 10


def protected(endpoint: Endpoint, *scopes: str, deletes: bool = False) -> Endpoint:
    """The endpoint for callers that have one of the scopes. Refusals become Auth0's answers.

    With `deletes`, the answer is 204 also if the entry does not exist.
    """

    @wraps(endpoint)
    async def answer(request: Request) -> Response:
        idp = idp_of(request)
        try:
            granted = _granted(request)
            if not granted.intersection(scopes):
                raise InsufficientScope(scopes)
            request.scope[GRANTED] = granted
            response = await _answer(endpoint, request)
        except ManagementError as error:
            if deletes and isinstance(error, Inexistent):
                response = Response(status_code=204)
            else:
                idp.log.add("fapi", error.description, refusal=error)
                response = _refused(idp, error)
        response.headers["x-ratelimit-limit"] = str(LIMIT)
        response.headers["x-ratelimit-remaining"] = str(LIMIT - 1)
        response.headers["x-ratelimit-reset"] = str(int(idp.clock.now()) + 1)
        return response

    return answer


def has_scope(request: Request, scope: str) -> bool:
    """Whether the caller's token has this scope."""
    return scope in request.scope[GRANTED]


async def _answer(endpoint: Endpoint, request: Request) -> Response:
    try:
        return await endpoint(request)
    except MalformedRequest as error:
        raise InvalidBody(error.description) from error
    except ConfigurationError as error:
        problems = "; ".join(line.removeprefix("tenant: ").removeprefix("offline: ") for line in error.lines)
        raise DanglingReference(f"{problems}.") from error


def _granted(request: Request) -> frozenset[str]:
    """The scopes of the token. Raises Unauthenticated.

    The tenant's credentials are public. A page of another origin cannot read the answers, because CORS is not enabled.
    """
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Unauthenticated("Missing authentication")
    idp, issuer = idp_of(request), issuer_of(request)
    claims = verified_claims(token.strip(), idp.keys.verification_keys(), ["RS256"])
    if claims is None or claims.get("iss") != issuer:
        raise Unauthenticated("Invalid token", why="This tenant did not sign this token under this issuer.")
    if claims.get("aud") != management_identifier(issuer):
        raise Unauthenticated(f"Bad audience: {claims.get('aud')}", why=f"It must be {management_identifier(issuer)}.")
    expires = claims.get("exp")
    if not isinstance(expires, int) or expires <= idp.clock.now():
        raise Unauthenticated("Expired token received for JSON Web Token validation")
    return frozenset(str(claims.get("scope", "")).split())


def _refused(idp: Idp, error: ManagementError) -> Response:
    answer = answer_to(idp, error)
    body = {
        "statusCode": answer.status,
        "error": HTTPStatus(answer.status).phrase,
        "message": answer.description,
    }
    code = {"errorCode": answer.error} if answer.error else {}
    return JSONResponse({**body, **code}, status_code=answer.status)
