"""Checks of the sender and the Host of a request. They protect the tenant from web pages (DNS rebinding)."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.requests import Request

from ..formats.urls import is_loopback_name
from .request import issuer_of

FORWARDED = ("x-forwarded-for", "x-forwarded-host", "forwarded", "via")


def is_for_this_tenant(request: Request) -> bool:
    """Whether the Host is the issuer's or a loopback name."""
    host = request.headers.get("host", "")
    return host == urlsplit(issuer_of(request)).netloc or is_for_loopback(request)


def is_for_loopback(request: Request) -> bool:
    """Whether the Host is a loopback name."""
    try:
        name = urlsplit(f"//{request.headers.get('host', '')}").hostname or ""
    except ValueError:
        return False
    return is_loopback_name(name)


def is_from_this_machine(request: Request) -> bool:
    """Whether the connection is local, without a proxy."""
    if request.client is None or not is_loopback_name(request.client.host):
        return False
    return not any(name in request.headers for name in FORWARDED)
