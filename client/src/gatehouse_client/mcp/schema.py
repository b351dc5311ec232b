"""JSON schemas: the types that a schema allows, and a tool's arguments from the command line.

A server chooses the schemas. A part with an unexpected form counts as missing.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from ..errors import UsageError

_TYPES: Final = frozenset({"array", "boolean", "integer", "null", "number", "object", "string"})
_MAX_DEPTH: Final = 10  # of alternatives in alternatives


def types_of(schema: object) -> frozenset[str]:
    """The types that `schema` allows, also by its alternatives and its enumeration; empty if it names none."""
    return _types_of(schema, _MAX_DEPTH)


def _types_of(schema: object, depth: int) -> frozenset[str]:
    if not isinstance(schema, dict) or depth == 0:
        return frozenset()
    type_ = schema.get("type")
    types = _TYPES & {each for each in (type_, *_list(type_)) if isinstance(each, str)}
    for option in (*_list(schema.get("anyOf")), *_list(schema.get("oneOf"))):
        types |= _types_of(option, depth - 1)
    return types or frozenset(type_of(choice) for choice in _list(schema.get("enum")))


def properties_of(schema: object) -> dict[str, dict[str, Any]]:
    """The schemas of an object's properties by name. A schema that is `true` or `false` counts as empty."""
    properties = schema.get("properties") if isinstance(schema, dict) else None
    if not isinstance(properties, dict):
        return {}
    return {str(name): part if isinstance(part, dict) else {} for name, part in properties.items()}


def required_of(schema: object) -> list[str]:
    """The names of an object's required properties."""
    required = schema.get("required") if isinstance(schema, dict) else None
    return [name for name in _list(required) if isinstance(name, str)]


def choices_of(schema: dict[str, Any]) -> list[Any]:
    """The values of an enumeration; empty if there is none."""
    return _list(schema.get("enum"))


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


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
    required = required_of(schema)
    forms = []
    for name, parameter in properties_of(schema).items():
        form = f"{name}={_value_form(parameter)}"
        forms.append(form if name in required else f"[{form}]")
    return " ".join(forms)


def _value_form(schema: dict[str, Any]) -> str:
    choices = choices_of(schema) or sorted(types_of(schema) - {"null"})
    return "|".join(str(choice) for choice in choices) or "value"


def parse_arguments(pairs: Sequence[str], document: str | None, schema: dict[str, Any]) -> dict[str, Any]:
    """The arguments of the JSON object `document`, overridden by those of the form `key=value`.

    Raises:
        UsageError: an argument has the wrong form or type, is unknown, or is missing.
    """
    properties = properties_of(schema)
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
    missing = [name for name in required_of(schema) if name not in arguments]
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
