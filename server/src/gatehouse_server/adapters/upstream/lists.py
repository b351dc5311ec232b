"""Lists of tools, resources, resource templates and prompts, without what the caller can never use.

A list comes as JSON, or as an event of a stream: of the request's own stream, or of a GET stream that repeats events
which a client has missed. So a list is recognized by its content.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Mapping
from typing import Any

from ...auth import strict_json
from ...auth.permissions import is_permission
from ...auth.request import Kind, Target
from ..events import BadStream, EventReader

META_KEY = "gatehouse/permissions"
"""In `_meta` of each listed tool, resource and prompt: the permissions that its use needs beyond the base."""

MAX_LIST_BYTES = 8 * 1024 * 1024
"""The longest JSON answer or event with a list. The gate has it in memory."""

LISTS: dict[str, tuple[Kind, str]] = {
    "tools": ("tool", "name"),
    "prompts": ("prompt", "name"),
    "resources": ("resource", "uri"),
    "resourceTemplates": ("resource", "uriTemplate"),
}
"""The result's member with the list: the kind of its entries, and the entries' member with the name."""

LIST_METHODS = frozenset({"tools/list", "prompts/list", "resources/list", "resources/templates/list"})

Visible = Callable[[Target, dict[str, Any]], frozenset[str] | None]
"""For one entry: the permissions that it needs beyond the base; None if the caller can never use it."""


class BadAnswer(Exception):
    """The upstream's answer is not what MCP allows. The message says what is wrong, without any of its content."""


def filtered_message(raw: bytes, visible: Visible) -> bytes:
    """A JSON-RPC message, filtered if it has a list.

    Raises:
        BadAnswer: parsers could read it in different ways, or it is not one message.
    """
    try:
        message = strict_json.parse(raw)
    except strict_json.Ambiguous as error:
        raise BadAnswer("it is not JSON that can be read in one way only") from error
    if not isinstance(message, dict):
        raise BadAnswer("it is not one JSON-RPC message")
    result = message.get("result")
    if not isinstance(result, dict) or LISTS.keys().isdisjoint(result):
        return raw
    message["result"] = _filtered(result, visible)
    try:
        return json.dumps(message, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode("utf-8")
    except ValueError as error:
        raise BadAnswer("it has a number that JSON does not have") from error


def stated_in(meta: object) -> frozenset[str] | None:
    """The permissions in a `_meta`; None if there is no valid list of them."""
    stated = meta.get(META_KEY) if isinstance(meta, Mapping) else None
    if not isinstance(stated, list) or not all(isinstance(each, str) and is_permission(each) for each in stated):
        return None
    return frozenset(stated)


async def filtered_events(stream: AsyncIterable[bytes], visible: Visible) -> AsyncGenerator[bytes]:
    """An event stream with each list filtered. Each event is written anew, so that client and gate read the same.

    Raises:
        BadAnswer: an event is too long, or its data is not one JSON-RPC message.
    """
    reader = EventReader(MAX_LIST_BYTES)
    try:
        async for chunk in stream:
            for event in reader.feed(chunk):
                yield event.written(filtered_data(event.data, visible))
    except BadStream as error:
        raise BadAnswer(str(error)) from error


def filtered_data(data: str | None, visible: Visible) -> str | None:
    """The data of an event, filtered.

    Raises:
        BadAnswer: the data is not one JSON-RPC message.
    """
    # An event with empty data only has an id, at which a repetition can begin.
    return filtered_message(data.encode("utf-8"), visible).decode("utf-8") if data else data


def _filtered(result: dict[str, Any], visible: Visible) -> dict[str, Any]:
    found = dict(result)
    for member, (kind, name) in LISTS.items():
        if member in found:
            found[member] = list(_filtered_entries(found[member], kind, name, visible))
    if "cacheScope" in found:
        found["cacheScope"] = "private"  # MCP 2026-07-28, caching: the list depends on the caller
    return found


def _filtered_entries(entries: object, kind: Kind, name: str, visible: Visible) -> list[dict[str, Any]]:
    if not isinstance(entries, list):
        raise BadAnswer("its list is not a list")
    shown = []
    for entry in entries:
        if not isinstance(entry, dict) or not isinstance(entry.get(name), str):
            raise BadAnswer(f"an entry of its list has no {name}")
        needed = visible((kind, entry[name]), entry)
        if needed is not None:
            shown.append(_with_permissions(entry, needed))
    return shown


def _with_permissions(entry: dict[str, Any], needed: frozenset[str]) -> dict[str, Any]:
    meta = entry.get("_meta")
    known = dict(meta) if isinstance(meta, dict) else {}
    known.pop(META_KEY, None)
    if needed:
        known[META_KEY] = sorted(needed)
    if known:
        return {**entry, "_meta": known}
    return {member: value for member, value in entry.items() if member != "_meta"}
