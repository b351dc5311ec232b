"""The agent that signs in to a protected MCP server.

As a library: `load_settings`, `sign_in` and `gatehouse_auth` give other MCP clients the sign-in (docs/client.md).
Nothing is imported before it is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .errors import ConfigurationError, ForbiddenError, GatehouseError, SignInError, UnreachableError
    from .library import gatehouse_auth, sign_in
    from .settings import Settings, load_settings
    from .signin.auth import GatehouseAuth

__version__ = "0.1.0"

__all__ = [
    "ConfigurationError",
    "ForbiddenError",
    "GatehouseAuth",
    "GatehouseError",
    "Settings",
    "SignInError",
    "UnreachableError",
    "gatehouse_auth",
    "load_settings",
    "sign_in",
]

_MODULES = {
    "GatehouseAuth": ".signin.auth",
    "Settings": ".settings",
    "gatehouse_auth": ".library",
    "load_settings": ".settings",
    "sign_in": ".library",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401  # PEP 562
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES.get(name, ".errors"), __name__), name)
