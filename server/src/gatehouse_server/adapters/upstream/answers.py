"""The gate's own JSON-RPC errors in upstream mode. No text has an address of the inner network."""

from __future__ import annotations

from starlette.responses import JSONResponse

RequestId = str | int | float | None

NO_STORE = {"Cache-Control": "no-store"}


def error_object(code: int, message: str, request_id: RequestId = None) -> dict[str, object]:
    """A JSON-RPC 2.0 error response (section 5.1)."""
    return {"jsonrpc": "2.0", "id": request_id, "error": {"code": code, "message": message}}


def error_answer(
    status: int, code: int, message: str, request_id: RequestId = None, headers: dict[str, str] | None = None
) -> JSONResponse:
    """An HTTP answer whose body is a JSON-RPC error."""
    return JSONResponse(error_object(code, message, request_id), status, headers={**NO_STORE, **(headers or {})})


def first_reason(group: BaseExceptionGroup[BaseException]) -> str:
    """The text of the first error in the group."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return str(error) or type(error).__name__
