"""Paging of lists: by `page`, with or without totals, and by checkpoint (`from`, `take`)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from .errors import InvalidQuery

MOST = 100
DEFAULT = 50
TRUE = ("true", "1")


def listed(request: Request, name: str, entries: Sequence[dict[str, Any]]) -> Response:
    """The page of the list that the query selects. `name` is the member that has the list in a JSON object.

    If the query has both `include_totals` and a checkpoint, the checkpoint has priority.
    """
    shown = [shown_fields(request, entry) for entry in entries]
    if "take" in request.query_params or "from" in request.query_params:
        return _checkpoint(request, name, shown)
    size, number = _number(request, "per_page", DEFAULT, 1, MOST), _number(request, "page", 0, 0, None)
    part = shown[number * size : (number + 1) * size]
    if request.query_params.get("include_totals") not in TRUE:
        return JSONResponse(part)
    return JSONResponse({"start": number * size, "limit": size, "total": len(shown), name: part})


def shown_fields(request: Request, entry: dict[str, Any]) -> dict[str, Any]:
    """The members that `fields` lists. With `include_fields=false`, all other members."""
    fields = request.query_params.get("fields")
    if not fields:
        return entry
    names = {name.strip() for name in fields.split(",")}
    include = request.query_params.get("include_fields", "true") in TRUE
    return {name: value for name, value in entry.items() if (name in names) == include}


def _checkpoint(request: Request, name: str, entries: list[dict[str, Any]]) -> Response:
    size = _number(request, "take", DEFAULT, 1, MOST)
    start = _start(request.query_params.get("from"))
    answer: dict[str, Any] = {name: entries[start : start + size]}
    if start + size < len(entries):
        answer["next"] = base64.urlsafe_b64encode(str(start + size).encode()).decode()
    return JSONResponse(answer)


def _start(cursor: str | None) -> int:
    try:
        return int(base64.urlsafe_b64decode(cursor.encode())) if cursor else 0
    except (ValueError, binascii.Error) as error:
        raise InvalidQuery("The checkpoint is not valid", "from") from error


def _number(request: Request, name: str, default: int, least: int, most: int | None) -> int:
    text = request.query_params.get(name)
    if text is None:
        return default
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise InvalidQuery(f"Expected type integer but found: {text[:20]}", name)
    value = int(text)
    if value < least:
        raise InvalidQuery(f"Value {value} is less than minimum {least}", name)
    if most is not None and value > most:
        raise InvalidQuery(f"Value {value} is greater than maximum {most}", name)
    return value
