"""JSON schemas: the types that a schema allows, and a tool's arguments from the command line."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from ..errors import UsageError


def types_of(schema: dict[str, Any]) -> frozenset[str]:
    """The types that `schema` allows, also by its alternatives and its enumeration; empty if it names none."""
    type_ = schema.get("type")
    types = {type_} if isinstance(type_, str) else set(type_ or ())
    for option in (*schema.get("anyOf", ()), *schema.get("oneOf", ())):
        types |= types_of(option)
    if not types and "enum" in schema:
        types = {type_of(choice) for choice in schema["enum"]}
    return frozenset(types)


def type_of(value: object) -> str:
    """The JSON type of a value. A whole number is an `integer`."""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, float) and value.is_integer():
        return "integer"
    names = {int: "integer", float: "number", str: "string", list: "array", dict: "object", type(None): "null"}
    return names[type(value)]


def matches(value: object, types: frozenset[str]) -> bool:
    """Whether a value has one of the types."""
    type_ = type_of(value)
    return type_ in types or (type_ == "integer" and "number" in types)


def call_form(schema: dict[str, Any]) -> str:
    """The arguments of an object as `gatehouse call` takes them: `time=string [zone=string]`."""
    required = schema.get("required", ())
    forms = []
    for name, parameter in schema.get("properties", {}).items():
        form = f"{name}={_value_form(parameter)}"
        forms.append(form if name in required else f"[{form}]")
    return " ".join(forms)


def _value_form(schema: dict[str, Any]) -> str:
    choices = schema.get("enum") or sorted(types_of(schema) - {"null"})
    return "|".join(str(choice) for choice in choices) or "value"


def parse_arguments(pairs: Sequence[str], document: str | None, schema: dict[str, Any]) -> dict[str, Any]:
    """The arguments of the JSON object `document`, overridden by those of the form `key=value`.

    Raises:
        UsageError: an argument has the wrong form or type, is unknown, or is missing.
    """
    properties: dict[str, Any] = schema.get("properties", {})
    arguments = _object(document) if document is not None else {}
    for pair in pairs:
        name, separator, text = pair.partition("=")
        if not separator or not name:
            raise UsageError(f"{pair!r} is not of the form key=value.")
        arguments[name] = _typed(name, text, properties.get(name, {}))
    known = ", ".join(properties) or "none"
    unknown = [name for name in arguments if name not in properties]
    if unknown and (properties or schema.get("additionalProperties") is False):
        raise UsageError(f"The tool has no argument {', '.join(unknown)}. Its arguments are: {known}.")
    missing = [name for name in schema.get("required", ()) if name not in arguments]
    if missing:
        raise UsageError(f"The tool needs {', '.join(missing)} (key=value). Its arguments are: {known}.")
    return arguments


def _object(document: str) -> dict[str, Any]:
    try:
        value = json.loads(document)
    except ValueError as error:
        raise UsageError(f"--args is not JSON: {error}.") from None
    if not isinstance(value, dict):
        raise UsageError('--args must be a JSON object, such as {"key": "value"}.')
    return value


def _typed(name: str, text: str, schema: dict[str, Any]) -> object:
    """`text` itself if the schema wants a string, else the text parsed as JSON."""
    types = types_of(schema)
    if types == {"string"}:
        return text
    try:
        value = json.loads(text)
    except ValueError:
        value = text
    if not types or matches(value, types):
        return value
    if "string" in types:
        return text
    raise UsageError(f"{name} is {text!r}: it must be of type {' or '.join(sorted(types))}.")
