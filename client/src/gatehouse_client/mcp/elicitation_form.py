"""The fields of an elicitation form: the prompt of each field, and the parsing of an answer.

MCP allows flat schemas only: strings, numbers, booleans, one choice, several choices.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from urllib.parse import urlsplit

from ..foreign_text import foreign
from .schema import properties_of, required_of, types_of

Value = str | int | float | bool | list[str] | None

_LIMITS: Final = frozenset({"minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems"})
_KEYWORDS: Final[Mapping[str, type | tuple[type, ...]]] = {
    **dict.fromkeys(("minimum", "maximum"), (int, float)),
    **dict.fromkeys(("minLength", "maxLength", "minItems", "maxItems"), int),
    **dict.fromkeys(("title", "description", "format"), str),
    **dict.fromkeys(("enum", "enumNames", "oneOf", "anyOf"), list),
    "items": dict,
    "default": (str, int, float, bool, list),
}

_YES: Final = frozenset({"y", "yes", "true"})
_NO: Final = frozenset({"n", "no", "false"})


class NotValid(Exception):
    """The answer is not valid for the field. The message says what is valid."""


@dataclass(frozen=True)
class Field:
    """One field of a form."""

    name: str
    schema: Mapping[str, Any]
    required: bool

    @property
    def prompt(self) -> str:
        """The prompt, such as `hour - at which it begins (integer) [9]: `."""
        about = self.schema.get("description") or self.schema.get("title")
        about = f" - {foreign(str(about))}" if about else ""
        default = f" [{foreign(self._default)}]" if self._default else "" if self.required else " [none]"
        return f"{foreign(self.name, 60)}{about} ({foreign(self.expected)}){default}: "

    @property
    def expected(self) -> str:
        """The valid values, in a few words."""
        choices = self._choices
        if choices:
            listed = ", ".join(choices)
            return f"any of {listed}; separated by commas" if self._is_list else f"one of {listed}"
        types = types_of(dict(self.schema))
        if "boolean" in types:
            return "yes or no"
        type_ = str(self.schema.get("format") or next(iter(sorted(types - {"null"})), "string"))
        lowest, highest = self.schema.get("minimum"), self.schema.get("maximum")
        shortest, longest = self.schema.get("minLength"), self.schema.get("maxLength")
        limits = [_limits(lowest, highest), f"{_limits(shortest, longest)} characters" if shortest or longest else ""]
        return " ".join(filter(None, [type_, *limits]))

    def parse(self, text: str) -> Value:
        """The value of the text. An empty text is the default, or None if the field is optional.

        Raises:
            NotValid: the schema does not allow the value.
        """
        if not text:
            default: Value = self.schema.get("default")
            if default is not None:
                return default
            if not self.required:
                return None
        if self._is_list:
            return self._list(text)
        if self._choices:
            return self._choice(text)
        types = types_of(dict(self.schema))
        if "boolean" in types:
            return self._boolean(text)
        return self._number(text, types) if types & {"integer", "number"} else self._string(text)

    @property
    def _is_list(self) -> bool:
        return "array" in types_of(dict(self.schema))

    @property
    def _default(self) -> str:
        default = self.schema.get("default")
        if isinstance(default, bool):
            return "yes" if default else "no"
        if isinstance(default, list):
            return ", ".join(map(str, default))
        return "" if default is None else str(default)

    @property
    def _choices(self) -> dict[str, str]:
        """The values by their titles."""
        schema = self.schema.get("items", {}) if self._is_list else self.schema
        titled = {str(one.get("title", one["const"])): one["const"] for one in _titled(schema)}
        if titled:
            return titled
        values = [value for value in schema.get("enum", ()) if isinstance(value, str)]
        names = schema.get("enumNames")
        return dict(zip(map(str, names) if names and len(names) == len(values) else values, values, strict=True))

    def _choice(self, text: str) -> str:
        by_spelling = {spelling.lower(): value for name, value in self._choices.items() for spelling in (name, value)}
        if text.lower() not in by_spelling:
            raise self._not_valid(text)
        return by_spelling[text.lower()]

    def _list(self, text: str) -> list[str]:
        parts = [part for part in (part.strip() for part in text.split(",")) if part]
        values = list(dict.fromkeys(self._choice(part) if self._choices else part for part in parts))
        fewest, most = self.schema.get("minItems", 0), self.schema.get("maxItems", len(values))
        if not fewest <= len(values) <= most:
            raise NotValid(f"{len(values)} were chosen: it must be {_limits(fewest, self.schema.get('maxItems'))}.")
        return values

    def _boolean(self, text: str) -> bool:
        if text.lower() not in _YES | _NO:
            raise self._not_valid(text)
        return text.lower() in _YES

    def _number(self, text: str, types: frozenset[str]) -> float:
        try:
            number = json.loads(text)
        except ValueError:
            raise self._not_valid(text) from None
        if isinstance(number, bool) or not isinstance(number, int | float) or not math.isfinite(number):
            raise self._not_valid(text)
        if "number" not in types:
            if number != int(number):
                raise self._not_valid(text)
            number = int(number)
        lowest, highest = self.schema.get("minimum", number), self.schema.get("maximum", number)
        if not lowest <= number <= highest:
            raise self._not_valid(text)
        return float(number) if isinstance(number, float) else int(number)

    def _string(self, text: str) -> str:
        shortest, longest = self.schema.get("minLength", 0), self.schema.get("maxLength", len(text))
        has_format = _FORMATS.get(str(self.schema.get("format")))
        wrong_format = has_format is not None and not has_format(text)
        if (not text and self.required) or not shortest <= len(text) <= longest or wrong_format:
            raise self._not_valid(text)
        return text

    def _not_valid(self, text: str) -> NotValid:
        return NotValid(f"{text!r} is not valid: it must be {foreign(self.expected)}.")


def fields_of(schema: Mapping[str, Any]) -> list[Field]:
    """The fields of a form, in order."""
    required = required_of(schema)
    return [Field(name, _well_formed(part), name in required) for name, part in properties_of(schema).items()]


def _well_formed(part: Mapping[str, Any]) -> dict[str, Any]:
    """The keywords of a field's schema that have the type that JSON Schema gives them."""
    kept: dict[str, Any] = {
        name: value for name, value in part.items() if isinstance(value, _KEYWORDS.get(name, object))
    }
    kept = {name: value for name, value in kept.items() if not (name in _LIMITS and isinstance(value, bool))}
    if isinstance(kept.get("items"), dict):
        kept["items"] = _well_formed(kept["items"])
    if isinstance(kept.get("default"), list):
        kept["default"] = [value for value in kept["default"] if isinstance(value, str)]
    return kept


def _titled(schema: Mapping[str, Any]) -> list[dict[str, Any]]:
    options = [*schema.get("oneOf", ()), *schema.get("anyOf", ())]
    return [option for option in options if isinstance(option, dict) and isinstance(option.get("const"), str)]


def _limits(lowest: float | None, highest: float | None) -> str:
    if lowest is not None and highest is not None:
        return f"from {lowest} to {highest}"
    return f"at least {lowest}" if lowest is not None else f"at most {highest}" if highest is not None else ""


def _is_date(text: str) -> bool:
    try:
        return date.fromisoformat(text) is not None
    except ValueError:
        return False


def _is_date_time(text: str) -> bool:
    try:
        return "T" in text.upper() and datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def _is_uri(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return bool(parts.scheme and (parts.netloc or parts.path)) and " " not in text


def _is_email(text: str) -> bool:
    return re.fullmatch(r"[^@\s]+@[^@\s]+", text) is not None


_FORMATS: Final[Mapping[str, Callable[[str], bool]]] = {
    "date": _is_date,
    "date-time": _is_date_time,
    "email": _is_email,
    "uri": _is_uri,
}
