"""What the fields of a form ask for, and what answers mean."""

from __future__ import annotations

from typing import Any

import pytest

from gatehouse_client.mcp.elicitation_form import Field, NotValid, fields_of

SEVERAL = {"type": "array", "items": {"enum": ["a", "b", "c"]}, "minItems": 1, "maxItems": 2}
TITLED = {"type": "string", "oneOf": [{"const": "r", "title": "Red"}, {"const": "g", "title": "Green"}]}
NAMED = {"type": "string", "enum": ["r", "g"], "enumNames": ["Red", "Green"]}


@pytest.mark.parametrize(
    ("schema", "text", "value"),
    [
        ({"type": "string"}, "a b", "a b"),
        ({"type": "string", "default": "x"}, "", "x"),
        ({"type": "string", "format": "email"}, "a@b", "a@b"),
        ({"type": "string", "format": "uri"}, "https://x/y", "https://x/y"),
        ({"type": "string", "format": "date"}, "2026-07-28", "2026-07-28"),
        ({"type": "string", "format": "date-time"}, "2026-07-28T09:30:00Z", "2026-07-28T09:30:00Z"),
        ({"type": "integer", "minimum": 1}, "2", 2),
        ({"type": "integer"}, "2.0", 2),
        ({"type": "number"}, "2.5", 2.5),
        ({"type": "boolean"}, "Y", True),
        ({"type": "boolean"}, "false", False),
        ({"type": "boolean", "default": False}, "", False),
        ({"type": "string", "enum": ["a", "b"]}, "B", "b"),
        (TITLED, "green", "g"),
        (TITLED, "r", "r"),
        (NAMED, "Red", "r"),
        (SEVERAL, "a, B", ["a", "b"]),
        ({"type": "array", "items": {"anyOf": TITLED["oneOf"]}}, "Red,g", ["r", "g"]),
        ({**SEVERAL, "default": ["c"]}, "", ["c"]),
    ],
)
def test_an_answer_takes_the_type_of_its_field(schema: dict[str, Any], text: str, value: object) -> None:
    parsed = Field("f", schema, required=True).parse(text)
    assert (parsed, type(parsed)) == (value, type(value))


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ({"type": "string"}, ""),
        ({"type": "string", "minLength": 3}, "ab"),
        ({"type": "string", "maxLength": 3}, "abcd"),
        ({"type": "string", "format": "email"}, "nobody"),
        ({"type": "string", "format": "uri"}, "no uri"),
        ({"type": "string", "format": "date"}, "28.7.2026"),
        ({"type": "string", "format": "date-time"}, "2026-07-28T09:30:00"),
        ({"type": "integer"}, "2.5"),
        ({"type": "integer"}, "true"),
        ({"type": "integer"}, "1e999"),
        ({"type": "number"}, "NaN"),
        ({"type": "number", "maximum": 3}, "4"),
        ({"type": "boolean"}, "perhaps"),
        ({"type": "boolean"}, ""),
        (TITLED, "blue"),
        (SEVERAL, "a, x"),
        (SEVERAL, ""),
        (SEVERAL, "a, b, c"),
    ],
)
def test_an_answer_that_the_schema_does_not_allow_is_not_valid(schema: dict[str, Any], text: str) -> None:
    with pytest.raises(NotValid):
        Field("f", schema, required=True).parse(text)


def test_a_field_that_may_be_left_out_is_left_out() -> None:
    assert Field("f", {"type": "integer"}, required=False).parse("") is None


@pytest.mark.parametrize(
    ("schema", "required", "prompt"),
    [
        (
            {"type": "integer", "minimum": 1, "maximum": 8, "description": "how\x1b long"},
            True,
            "f - how long (integer from 1 to 8): ",
        ),
        ({"type": "string", "maxLength": 9}, False, "f (string at most 9 characters) [none]: "),
        ({"type": "boolean", "default": True, "title": "Lights"}, False, "f - Lights (yes or no) [yes]: "),
        (TITLED, True, "f (one of Red, Green): "),
        (SEVERAL, True, "f (any of a, b, c; separated by commas): "),
    ],
)
def test_a_field_says_what_it_wants(schema: dict[str, Any], required: bool, prompt: str) -> None:
    assert Field("f", schema, required).prompt == prompt


def test_fields_come_in_the_forms_order() -> None:
    form = {"properties": {"b": {"type": "string"}, "a": {"type": "integer"}}, "required": ["a"]}
    assert [(field.name, field.required) for field in fields_of(form)] == [("b", False), ("a", True)]
    assert fields_of({}) == []
