"""What a server in production does not start with: values that are only safe on a developer's machine."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pydantic import SecretStr

if TYPE_CHECKING:
    from .settings import Settings

_PUBLISHED = ("demo-secret-of-the-offline-tenant", "end-to-end-")
"""The beginnings of secrets that are in the project's repository."""
_THIS_MACHINE = ("localhost", "127.0.0.1", "::1")


def faults(settings: Settings) -> list[str]:
    """What must be changed before these settings can be used in production, a sentence each."""
    found = []
    public = urlsplit(settings.public_url)
    if public.scheme != "https" or public.hostname in _THIS_MACHINE:
        found.append(
            f"MCP_PUBLIC_URL is {settings.public_url!r}: the https URL that clients reach is needed, such as"
            " https://tools.example.com/mcp"
        )
    issuer = "OIDC_ISSUER" if settings.oidc_issuer else "AUTH0_ISSUER"
    for name, url in ((issuer, settings.issuer), ("AUTH0_JWKS_URL", settings.jwks_url)):
        if url and urlsplit(url).scheme != "https":
            found.append(f"{name} is {url!r}: https:// is needed, so that nobody can replace the keys")
    if settings.offline_tenant:
        found.append("OFFLINE_TENANT is on: its users and keys are for tests. Leave it empty, and name your tenant")
    for name, values in (("HOSTS", settings.allowed_hosts), ("ORIGINS", settings.allowed_origins)):
        if any("*" in value for value in values):
            found.append(f"MCP_ALLOWED_{name} is {','.join(values)!r}: names without * are needed")
    found += [
        f"TRUSTED_PROXIES has {proxy!r}: that is every address. Name the proxies, or their network"
        for proxy in settings.trusted_proxies
        if _is_everything(proxy)
    ]
    for name, field in type(settings).model_fields.items():
        value = getattr(settings, name)
        parts = re.split(r"[,\s]+", value.get_secret_value()) if isinstance(value, SecretStr) else ()
        if any(part.startswith(_PUBLISHED) for part in parts):
            found.append(f"{field.validation_alias} is a published secret of the demo or the tests: set your own")
    return found


def _is_everything(proxy: str) -> bool:
    try:
        return ipaddress.ip_network(proxy, strict=False).prefixlen == 0
    except ValueError:
        return False  # the name of a Unix socket
