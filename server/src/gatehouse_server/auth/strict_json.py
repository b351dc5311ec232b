"""Strict JSON: only text that every parser reads in the same way, so that two parsers cannot see two permissions."""

from __future__ import annotations

import math
import re
import sys
from typing import Any

import jiter

_LONGEST_REASON = 160
"""Characters. The parser quotes a duplicate name, and that name can be as long as the document."""
_LARGE_EXPONENT = re.compile(rb"[eE]\+?[0-9]{2}")
_MANY_DIGITS = re.compile(rb"[0-9]{200}")
"""A number that is too large has one of both. Only then the values are searched, which takes longer."""


class Ambiguous(ValueError):
    """The text is not JSON, or parsers could read it in different ways. The message says where."""


def parse(raw: bytes) -> Any:  # noqa: ANN401 - any JSON value
    """The value.

    Raises:
        Ambiguous: the text is not JSON, an object has the same name twice (RFC 8259 section 4, RFC 8725 section 2.4), a
            value is `NaN` or `Infinity`, a number such as 1e999 is infinite as a float (RFC 8259 section 6), text is
            not UTF-8 or has half of a surrogate pair, or there are more than 200 levels.
    """
    try:
        value = jiter.from_json(raw, allow_inf_nan=False, cache_mode="keys", catch_duplicate_keys=True)
    except ValueError as error:
        raise Ambiguous(str(error)[:_LONGEST_REASON]) from None
    if (_LARGE_EXPONENT.search(raw) or _MANY_DIGITS.search(raw)) and _has_infinity(value):
        raise Ambiguous("a number is too large for a float")
    return value


def _has_infinity(value: object) -> bool:
    found = [value]
    for item in found:  # it grows
        if isinstance(item, dict):
            found += item.values()
        elif isinstance(item, list):
            found += item
        elif isinstance(item, float) and math.isinf(item):
            return True
    return False


def memory(value: Any) -> int:  # noqa: ANN401 - any JSON value
    """The memory of a JSON value in bytes. It takes time in proportion to the text that the value was read from."""
    found = [value]
    for item in found:  # it grows; a function call for each item would cost a new token several microseconds
        kind = type(item)
        if kind is dict:
            found += item
            found += item.values()
        elif kind is list:
            found += item
    return sum(map(sys.getsizeof, found))
