"""Strict JSON: only text that every parser reads in the same way, so that two parsers cannot see two permissions."""

from __future__ import annotations

import sys
from typing import Any

import jiter

_LONGEST_REASON = 160
"""Characters. The parser quotes a duplicate name, and that name can be as long as the document."""


class Ambiguous(ValueError):
    """The text is not JSON, or parsers could read it in different ways. The message says where."""


def parse(raw: bytes) -> Any:  # noqa: ANN401 - any JSON value
    """The value.

    Raises:
        Ambiguous: the text is not JSON, an object has the same name twice (RFC 8259 section 4, RFC 8725 section 2.4), a
            value is `NaN` or `Infinity`, text is not UTF-8 or has half of a surrogate pair, or there are more than 200
            levels.
    """
    try:
        return jiter.from_json(raw, allow_inf_nan=False, cache_mode="keys", catch_duplicate_keys=True)
    except ValueError as error:
        raise Ambiguous(str(error)[:_LONGEST_REASON]) from None


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
