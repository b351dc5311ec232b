from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ..state.faults import ENDPOINTS, MANAGEMENT, Action, Fault
from ..web.request import idp_of
from .bodies import Body, ControlError, read_body

HeaderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]+$")]
HeaderValue = Annotated[str, Field(pattern=r"^[\x20-\x7E]*$")]
MAX_DELAY = 60.0
# Auth0: Rate Limit Policy.
RATE_LIMITED = {
    "error": "too_many_requests",
    "error_description": "You have reached the rate limit. Please try again later.",
}
# The same answer of the Management API.
MANAGEMENT_RATE_LIMITED = {
    "statusCode": 429,
    "error": "Too Many Requests",
    "message": "Global limit has been reached",
    "errorCode": "too_many_requests",
}


class FaultBody(Body):
    """A fault to inject. The members are those of `mock_idp.state.faults.Fault`."""

    endpoint: str | None = None
    path: str | None = Field(default=None, pattern=r"^/")
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] | None = None
    parameter: dict[str, str] = Field(default_factory=dict)
    times: int | None = Field(default=1, ge=1)
    skip: int = Field(default=0, ge=0)
    every: int = Field(default=1, ge=1)
    delay_seconds: float = Field(default=0.0, ge=0, le=MAX_DELAY)
    action: Action | Literal["rate_limit"] | None = None
    status: int | None = Field(default=None, ge=200, le=599)
    headers: dict[HeaderName, HeaderValue] = Field(default_factory=dict)
    body: Any = None
    patch: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _is_complete(self) -> FaultBody:
        if (self.endpoint is None) == (self.path is None):
            raise ValueError("send either endpoint or path")
        if self.endpoint is not None and self.endpoint not in ENDPOINTS:
            raise ValueError(f"endpoint must be one of {', '.join(ENDPOINTS)}")
        chosen = [self.action is not None, self.status is not None, self.patch is not None]
        if sum(chosen) > 1 or not (any(chosen) or self.delay_seconds or self.headers):
            raise ValueError("send one of action, status and patch, or delay_seconds, or headers")
        return self


async def add_fault(request: Request) -> Response:
    idp = idp_of(request)
    body = await read_body(request, FaultBody)
    values = body.model_dump(exclude={"delay_seconds"})
    if body.action == "rate_limit":
        values |= _rate_limit(body, idp.clock.now())
    fault = Fault(**values, delay=body.delay_seconds)
    return JSONResponse({"id": idp.faults.add(fault)}, status_code=201)


async def list_faults(request: Request) -> Response:
    orders = idp_of(request).faults.orders
    listed = [{"id": key, **_shown(fault)} for key, fault in orders.items()]
    return JSONResponse({"faults": listed})


async def clear_faults(request: Request) -> Response:
    idp_of(request).faults.clear()
    return Response(status_code=204)


async def remove_fault(request: Request) -> Response:
    if idp_of(request).faults.orders.pop(request.path_params["fault"], None) is None:
        raise ControlError("There is no such fault.", 404)
    return Response(status_code=204)


def _rate_limit(body: FaultBody, now: float) -> dict[str, Any]:
    """A 429 answer with the headers that Auth0 sends. `x-ratelimit-reset` is Unix time in seconds."""
    headers = {
        "x-ratelimit-limit": "10",
        "x-ratelimit-remaining": "0",
        "x-ratelimit-reset": str(int(now) + 1),
        "retry-after": "1",
        **body.headers,
    }
    management = body.endpoint == "management" or (body.path or "").startswith(MANAGEMENT)
    answer = MANAGEMENT_RATE_LIMITED if management else RATE_LIMITED
    return {"action": None, "status": 429, "headers": headers, "body": answer, "patch": None}


def _shown(fault: Fault) -> dict[str, Any]:
    return {name: value for name, value in vars(fault).items() if value not in (None, {}, 0.0)} | {
        "seen": fault.seen,
        "done": fault.done,
    }
