"""Shell completion of tools and their arguments, from the last list of tools that the server sent."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from typer import Context

from ..errors import GatehouseError
from ..foreign_text import beside_completion, completable

if TYPE_CHECKING:
    from mcp_types import Tool


def remember(home: Path, server: str, tools: Iterable[Tool]) -> None:
    """Store the names. If the file cannot be written, there is no completion and no message."""
    from ..mcp.schema import properties_of
    from ..storage.private_files import write_private  # pydantic, which the completion itself does not need

    known = {tool.name: [tool.description or "", [*properties_of(tool.input_schema)]] for tool in tools}
    with contextlib.suppress(OSError):
        path = _path(home)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_private(path, json.dumps({"server": server, "tools": known}).encode())


def complete_tool(incomplete: str) -> list[tuple[str, str]]:
    """The tools whose names begin with `incomplete`, each with its description."""
    known = _known()
    return [(name, beside_completion(about)) for name, (about, _) in known.items() if name.startswith(incomplete)]


def complete_argument(context: Context, incomplete: str) -> list[str]:
    """The arguments, as `key=`, of the tool on the command line that begin with `incomplete`."""
    _, arguments = _known().get(str(context.params.get("tool")), ("", []))
    return [f"{name}=" for name in arguments if name.startswith(incomplete)]


def _known() -> dict[str, tuple[str, list[str]]]:
    """The tools and arguments that a shell may complete: the description and the arguments by the tool's name."""
    from ..settings import load_settings

    try:
        settings = load_settings()
        kept = json.loads(_path(settings.gatehouse_home).read_text(encoding="utf-8"))
        tools = kept["tools"] if kept["server"] == settings.mcp_public_url else {}
        return {
            name: (str(about), [each for each in arguments if completable(each)])
            for name, (about, arguments) in tools.items()
            if completable(name)
        }
    except (GatehouseError, OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _path(home: Path) -> Path:
    return home / "tools.cache"
