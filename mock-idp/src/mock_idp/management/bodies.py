"""Request bodies of the Management API. The models of the tenant file check them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from ..formats.parsing import parse_json
from ..tenant.tenant_schema import Section, section_of
from ..web.request import json_object
from .errors import InvalidBody

TYPES: Mapping[type, str] = {dict: "object", list: "array", str: "string", bool: "boolean", int: "integer"}
EXPECTED = {"string": "string", "list": "array", "dict": "object", "model": "object", "bool": "boolean"}


async def read_object(
    request: Request, model: type[Section], *, read_only: frozenset[str], more: frozenset[str] = frozenset()
) -> dict[str, Any]:
    """The body, if all its keys are writable. `more` are keys that no file has. Raises InvalidBody with other keys."""
    body = await json_object(request)
    _refuse_others(body, (set(model.model_fields) | model.exported | more) - read_only)
    for name, value in body.items():
        _refuse_inner(model, name, value, name)
    return body


async def read_members(request: Request, known: Mapping[str, type], *, required: Iterable[str] = ()) -> dict[str, Any]:
    """The body, checked by the types of its members. Raises InvalidBody."""
    body = await json_object(request)
    _refuse_others(body, set(known))
    for name in required:
        if name not in body:
            raise InvalidBody(f"Missing required property: {name}")
    for name, value in body.items():
        if type(value) is not known[name]:
            raise InvalidBody(_mismatch(TYPES[known[name]], value), name)
    return body


async def read_list(request: Request) -> list[Any]:
    """The body as a JSON array. Raises InvalidBody."""
    try:
        body = parse_json(await request.body())
    except ValueError as error:
        raise InvalidBody("Not JSON") from error
    if not isinstance(body, list):
        raise InvalidBody(_mismatch("array", body))
    return body


def check(model: type[BaseModel], document: Mapping[str, Any]) -> None:
    """Check a document by a model. Raises InvalidBody with the path of the first mistake."""
    try:
        model.model_validate(dict(document))
    except ValidationError as error:
        first = error.errors()[0]
        raise _problem(first["type"], first["loc"], first["msg"], first["input"]) from error


def _refuse_others(body: Mapping[str, Any], known: set[str], path: str = "") -> None:
    others = [name for name in body if name not in known]
    if others:
        raise InvalidBody(f"Additional properties not allowed: {', '.join(others)}", path)


def _refuse_inner(model: type[Section], name: str, value: Any, path: str) -> None:  # noqa: ANN401 - a JSON value
    """The same for objects in the body. The tenant file may have such keys; Auth0's API refuses them."""
    inner = section_of(model.model_fields[name].annotation) if name in model.model_fields else None
    if inner is None or inner.any_key:
        return
    if isinstance(value, list):
        for index, entry in enumerate(value):
            _refuse_inner(model, name, entry, f"{path}[{index}]")
    elif isinstance(value, dict):
        _refuse_others(value, set(inner.model_fields) | inner.exported, path)
        for key, part in value.items():
            _refuse_inner(inner, key, part, f"{path}.{key}")


def _problem(kind: str, location: tuple[int | str, ...], message: str, found: Any) -> InvalidBody:  # noqa: ANN401
    path, above, last = _path(location), _path(location[:-1]), location[-1] if location else ""
    if kind == "missing":
        return InvalidBody(f"Missing required property: {last}", above)
    if kind == "extra_forbidden":
        return InvalidBody(f"Additional properties not allowed: {last}", above)
    expected = EXPECTED.get(kind.removesuffix("_type"))
    if expected is not None:
        return InvalidBody(_mismatch(expected, found), path)
    if kind == "literal_error":
        return InvalidBody(f"No enum match for: {found}", path)
    return InvalidBody(message.removeprefix("Value error, "), path)


def _path(location: tuple[int | str, ...]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).lstrip(".")


def _mismatch(expected: str, found: Any) -> str:  # noqa: ANN401 - a JSON value
    return f"Expected type {expected} but found type {TYPES.get(type(found), 'null' if found is None else 'number')}"
