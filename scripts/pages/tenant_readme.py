"""mock-idp/README.md: the table of its settings."""

from __future__ import annotations

import re
from pathlib import Path

from .environment import settings_of_the_offline_tenant

PAGE = Path(__file__).parents[2] / "mock-idp" / "README.md"
_PART = re.compile(r"(<!-- settings: begin -->\n).*(<!-- settings: end -->)", re.DOTALL)


def page() -> str:
    """The text of the page with the table of today. Its other parts are written by hand."""
    text = PAGE.read_text(encoding="utf-8")
    replaced, count = _PART.subn(lambda part: f"{part[1]}{settings_of_the_offline_tenant()}{part[2]}", text)
    if count != 1:
        raise ValueError(f"{PAGE} has no place for the settings, or several.")
    return replaced
