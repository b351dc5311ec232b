"""The permissions that a tool needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from mcp_types import Tool

META_KEY: Final = "gatehouse/permissions"
"""In a tool's `_meta`: the permissions that it needs in addition to those of every call."""


def needed_by(tool: Tool) -> list[str]:
    """The permissions that the tool needs, as the server says."""
    needed = (tool.meta or {}).get(META_KEY)
    return [name for name in needed if isinstance(name, str)] if isinstance(needed, list) else []
