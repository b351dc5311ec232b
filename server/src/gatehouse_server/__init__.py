"""Protect an MCP server with the access tokens of an identity provider.

`protect(mcp, load_settings())` returns the ASGI app, and `requires` states the permissions of a tool. These names are
the public API; the modules behind them may move. They are loaded at their first use, so that a process which needs only
one module (the container's health check) starts quickly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from .adapters.internals import UnsupportedRelease
    from .app import protect, run_together
    from .auth.audit import AuditRecord, AuditTrail, audit_to_logger, audit_to_stream
    from .auth.permission_table import PermissionTable, TableError
    from .auth.permissions import requires
    from .auth.provider.introspection import Introspection, IntrospectionLimits, IntrospectionUnavailable
    from .auth.provider.keys import KeyLimits, KeysUnavailable, SigningKeys, VerificationUnavailable
    from .auth.provider.outgoing import http_client
    from .auth.provider.token_exchange import ExchangeFailed, TokenExchange
    from .auth.request import Operation
    from .auth.verify.profiles import MalformedGrant, Profile
    from .auth.verify.tokens import TokenRefused, TokenVerifier, VerifiedToken
    from .composition import ProtectedApp, tenant_keys
    from .serving.connections import BoundedHeaders
    from .serving.metrics import Metrics
    from .serving.settings import Settings, SettingsError, load_settings
else:
    from importlib import import_module

    _MODULES = {
        "adapters.internals": ("UnsupportedRelease",),
        "app": ("protect", "run_together"),
        "auth.audit": ("AuditRecord", "AuditTrail", "audit_to_logger", "audit_to_stream"),
        "auth.provider.introspection": ("Introspection", "IntrospectionLimits", "IntrospectionUnavailable"),
        "auth.provider.keys": ("KeyLimits", "KeysUnavailable", "SigningKeys", "VerificationUnavailable"),
        "auth.provider.outgoing": ("http_client",),
        "auth.permission_table": ("PermissionTable", "TableError"),
        "auth.permissions": ("requires",),
        "auth.verify.profiles": ("MalformedGrant", "Profile"),
        "auth.request": ("Operation",),
        "auth.provider.token_exchange": ("ExchangeFailed", "TokenExchange"),
        "auth.verify.tokens": ("TokenRefused", "TokenVerifier", "VerifiedToken"),
        "composition": ("ProtectedApp", "tenant_keys"),
        "serving.connections": ("BoundedHeaders",),
        "serving.metrics": ("Metrics",),
        "serving.settings": ("Settings", "SettingsError", "load_settings"),
    }

    def __getattr__(name):  # noqa: ANN001, ANN202 - mypy reads the imports above instead
        for module, names in _MODULES.items():
            if name in names:
                return getattr(import_module(f".{module}", __name__), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "AuditRecord",
    "AuditTrail",
    "BoundedHeaders",
    "ExchangeFailed",
    "Introspection",
    "IntrospectionLimits",
    "IntrospectionUnavailable",
    "KeyLimits",
    "KeysUnavailable",
    "MalformedGrant",
    "Metrics",
    "Operation",
    "PermissionTable",
    "Profile",
    "ProtectedApp",
    "Settings",
    "SettingsError",
    "SigningKeys",
    "TableError",
    "TokenExchange",
    "TokenRefused",
    "TokenVerifier",
    "UnsupportedRelease",
    "VerificationUnavailable",
    "VerifiedToken",
    "audit_to_logger",
    "audit_to_stream",
    "http_client",
    "load_settings",
    "protect",
    "requires",
    "run_together",
    "tenant_keys",
]
