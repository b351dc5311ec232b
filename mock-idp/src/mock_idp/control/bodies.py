from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ..errors import InvalidRequest
from ..web.request import json_object, media_type

NOT_JSON = "The body must be JSON, with Content-Type: application/json."


class Body(BaseModel):
    """A body of the control API: unknown members and wrong types are refused."""

    # Built when first used: a start needs none of them.
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, defer_build=True)


BodyT = TypeVar("BodyT", bound=Body)


class BadBody(Exception):
    """A body that cannot be used; the message is one sentence."""


async def read_body(request: Request, model: type[BodyT]) -> BodyT:
    """The body as `model`; an absent one counts as an empty object. BadBody otherwise."""
    if not await request.body():
        return _validated({}, model)
    if media_type(request) != "application/json":
        raise BadBody(NOT_JSON)
    try:
        return _validated(await json_object(request), model)
    except InvalidRequest as error:
        raise BadBody(f"{error.description}.") from error


def bad_request(error: BadBody) -> Response:
    return JSONResponse({"error": str(error)}, status_code=400)


def not_found(sentence: str) -> Response:
    return JSONResponse({"error": sentence}, status_code=404)


def _validated(document: dict[str, object], model: type[BodyT]) -> BodyT:
    try:
        return model.model_validate(document)
    except ValidationError as error:
        raise BadBody("; ".join(_sentence(item["loc"], item["msg"]) for item in error.errors())) from error


def _sentence(location: tuple[int | str, ...], message: str) -> str:
    where = ".".join(str(part) for part in location)
    message = message.removeprefix("Value error, ")
    return f"{where}: {message}." if where else f"{message}."
