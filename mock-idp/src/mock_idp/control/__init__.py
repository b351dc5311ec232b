"""The control API under /__mock__/: for tests, off unless it is switched on."""

from __future__ import annotations

from starlette.routing import Mount, Route

from ..settings import Settings
from .access import ControlGate
from .clients import import_metadata_document
from .mint import mint
from .reset import reset
from .time import move_clock, reset_clock

PREFIX = "/__mock__"


def control_routes(settings: Settings) -> list[Mount]:
    """The routes of the control API; none when it is off, so that it cannot be told from a path that never existed."""
    if not settings.control:
        return []
    routes = [
        Route("/tokens", mint, methods=["POST"]),
        Route("/clients/cimd", import_metadata_document, methods=["POST"]),
        Route("/clock", move_clock, methods=["POST"]),
        Route("/clock", reset_clock, methods=["DELETE"]),
        Route("/reset", reset, methods=["POST"]),
    ]
    token = settings.control_token.get_secret_value() if settings.control_token else None
    gate = ControlGate(Mount("", routes=routes), token)
    return [Mount(PREFIX, app=gate)]
