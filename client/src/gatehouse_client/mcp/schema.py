"""What a JSON schema says of a value's type."""

from __future__ import annotations

from typing import Any


def kinds_of(schema: dict[str, Any]) -> frozenset[str]:
    """The types that `schema` allows, of its alternatives and of its enumeration, too; empty when it does not say."""
    kind = schema.get("type")
    kinds = {kind} if isinstance(kind, str) else set(kind or ())
    for option in (*schema.get("anyOf", ()), *schema.get("oneOf", ())):
        kinds |= kinds_of(option)
    if not kinds and "enum" in schema:
        kinds = {kind_of(choice) for choice in schema["enum"]}
    return frozenset(kinds)


def kind_of(value: object) -> str:
    """The JSON type of a value; of whole numbers `integer`."""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, float) and value.is_integer():
        return "integer"
    names = {int: "integer", float: "number", str: "string", list: "array", dict: "object", type(None): "null"}
    return names[type(value)]


def matches(value: object, kinds: frozenset[str]) -> bool:
    """Whether a value is of one of the types."""
    kind = kind_of(value)
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
    choices = schema.get("enum") or sorted(kinds_of(schema) - {"null"})
    return "|".join(str(choice) for choice in choices) or "value"
