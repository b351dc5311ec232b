from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.requests import Request

from ..errors import InvalidRequest
from ..web.request import json_object, media_type

NOT_JSON = "The body must be JSON, with Content-Type: application/json."


class Body(BaseModel):
    """A body of the control API. Unknown members and wrong types are refused."""

    # The validators are built at the first use, because the start of the tenant needs none of them.
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, defer_build=True)


BodyT = TypeVar("BodyT", bound=Body)


class ControlError(Exception):
    """The control API refuses a request. The message is a sentence."""

    def __init__(self, sentence: str, status: int = 400) -> None:
        super().__init__(sentence)
        self.status = status


async def read_body(request: Request, model: type[BodyT]) -> BodyT:
    """The body as `model`. An absent body counts as an empty object. Raises ControlError."""
    try:
        if not await request.body():
            return model()
        if media_type(request) != "application/json":
            raise ControlError(NOT_JSON)
        return model.model_validate(await json_object(request))
    except InvalidRequest as error:
        raise ControlError(f"{error.description}.") from error
    except ValidationError as error:
        raise ControlError("; ".join(_sentence(item["loc"], item["msg"]) for item in error.errors())) from error


def _sentence(location: tuple[int | str, ...], message: str) -> str:
    where = ".".join(str(part) for part in location)
    message = message.removeprefix("Value error, ")
    return f"{where}: {message}." if where else f"{message}."
