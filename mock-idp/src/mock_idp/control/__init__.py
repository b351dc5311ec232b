"""The control API for tests, under /__mock__/. It is off by default."""

from __future__ import annotations

from starlette.routing import Mount
from starlette.types import ASGIApp

from ..http.deferred import Deferred
from .access import ControlAccess, ControlGate

__all__ = ["PREFIX", "ControlAccess", "control_routes"]

PREFIX = "/__mock__"


def control_routes(access: ControlAccess | None) -> list[Mount]:
    """The routes of the control API. If it is off, there are none, and its paths answer like unknown paths."""
    if access is None:
        return []
    return [Mount(PREFIX, app=ControlGate(Deferred(_control_api), access))]


def _control_api() -> ASGIApp:
    from .routes import control_api

    return control_api()
