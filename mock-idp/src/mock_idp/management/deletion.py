"""What DELETE of one thing answers: 204, also when it is gone already."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import wraps

from starlette.requests import Request
from starlette.responses import Response

from .errors import Inexistent


def deletion(delete: Callable[[Request], None]) -> Callable[[Request], Awaitable[Response]]:
    """The endpoint around a function that deletes something, and that may find it inexistent."""

    @wraps(delete)
    async def answer(request: Request) -> Response:
        with suppress(Inexistent):
            delete(request)
        return Response(status_code=204)

    return answer
