"""Log messages of one line. Messages repeat texts of the tenant, the upstream and callers."""

from __future__ import annotations

import logging
import re

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class OneLine(logging.Formatter):
    """Escapes control characters and line breaks in a message, so that no text can look like another line, or change a
    terminal. A traceback keeps its lines."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - a name of the base class
        """The line without the traceback."""
        return _CONTROL.sub(lambda found: ascii(found[0])[1:-1], super().formatMessage(record))
