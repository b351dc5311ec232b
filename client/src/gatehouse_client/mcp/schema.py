"""The JSON schema of a tool's arguments: which types it allows, and the arguments of a call by it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from ..errors import UsageError


def types_of(schema: dict[str, Any]) -> frozenset[str]:
    """The types that `schema` allows, of its alternatives and of its enumeration, too; empty when it does not say."""
    kind = schema.get("type")
    kinds = {kind} if isinstance(kind, str) else set(kind or ())
    for option in (*schema.get("anyOf", ()), *schema.get("oneOf", ())):
        kinds |= types_of(option)
    if not kinds and "enum" in schema:
        kinds = {type_of(choice) for choice in schema["enum"]}
    return frozenset(kinds)


def type_of(value: object) -> str:
    """The JSON type of a value; of whole numbers `integer`."""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, float) and value.is_integer():
        return "integer"
    names = {int: "integer", float: "number", str: "string", list: "array", dict: "object", type(None): "null"}
    return names[type(value)]


def matches(value: object, kinds: frozenset[str]) -> bool:
    """Whether a value is of one of the types."""
    kind = type_of(value)
    return kind in kinds or (kind == "integer" and "number" in kinds)


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
    """The arguments of `key=value …` over those of the JSON object `document`.

    Raises:
        UsageError: something is not of its form or type, unknown, or missing.
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
    """`text` as it is for strings; as JSON for what the schema wants as another type, or does not type."""
    kinds = types_of(schema)
    if kinds == {"string"}:
        return text
    try:
        value = json.loads(text)
    except ValueError:
        value = text
    if not kinds or matches(value, kinds):
        return value
    if "string" in kinds:
        return text
    raise UsageError(f"{name} is {text!r}: it must be of type {' or '.join(sorted(kinds))}.")
