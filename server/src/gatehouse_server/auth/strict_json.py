"""JSON that every reader reads alike: what one takes for a permission, another must not take for something else."""

from __future__ import annotations

from typing import Any

import jiter

_LONGEST_REASON = 160
"""Characters: a duplicate name is quoted, and can be as long as the document."""


class Ambiguous(ValueError):
    """The text is not JSON, or not such as can be read in one way only. The message says where."""


def parse(raw: bytes) -> Any:  # noqa: ANN401 - any JSON value
    """The value.

    Refused besides what is no JSON: a name that stands twice in one object (RFC 8259 section 4, RFC 8725 section 2.4),
    `NaN` and `Infinity`, text that is not UTF-8 or is half of a surrogate pair, and more than 200 levels.

    Raises:
        Ambiguous: it is refused.
    """
    try:
        return jiter.from_json(raw, allow_inf_nan=False, cache_mode="keys", catch_duplicate_keys=True)
    except ValueError as error:
        raise Ambiguous(str(error)[:_LONGEST_REASON]) from None
