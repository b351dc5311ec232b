"""The settings of the agent and the server that follow from the tenant, as lines of `.env`."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ..errors import ConfigurationError
from ..storage.private_files import write_private
from .existing import Existing
from .file import TenantFile
from .settings import TenantSettings

_OTHER_TENANTS: Final = re.compile(r"OIDC_\w+|COMPOSE_PROFILES")
"""Variables that choose another provider, or the offline tenant."""
_PUBLISHED: Final = re.compile(r"demo-secret-of-the-offline-tenant|Gatehouse\w+DemoClient0")
"""The credentials in `.env.example`, which only the offline tenant knows."""


@dataclass
class Environment:
    """Variables with their values, secrets apart.

    Attributes:
        withheld: the names of secrets that the tenant does not show.
        known: credentials that the tenant has accepted.
    """

    public: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    withheld: list[str] = field(default_factory=list)
    known: list[str] = field(default_factory=list)


def environment(file: TenantFile, existing: Existing, settings: TenantSettings, issuer: str) -> Environment:
    """What the agent and the server need: the first API, the first first-party application that people sign in to, and
    the server's own application if the file has one."""
    issuer = settings.issuer or issuer
    domain = issuer.partition("://")[2].rstrip("/")
    found = Environment({"AUTH0_DOMAIN": domain, "AUTH0_ISSUER": "" if issuer == f"https://{domain}/" else issuer})
    if settings.auth0_ca_file is not None:
        found.public["AUTH0_CA_FILE"] = str(settings.auth0_ca_file)
    if settings.auth0_mgmt_token is None and settings.auth0_mgmt_client_secret is not None:
        found.known = [str(settings.auth0_mgmt_client_id), settings.auth0_mgmt_client_secret.get_secret_value()]
    for entry in file.apis[:1]:
        found.public |= {"AUTH0_AUDIENCE": entry["identifier"], "JWT_ALGORITHM": entry.get("signing_alg", "RS256")}
    people = [
        c for c in file.clients if c.get("is_first_party", True) and "authorization_code" in c.get("grant_types", ())
    ]
    servers = [client for client in file.clients if client.get("app_type") == "resource_server"]
    for prefix, entries in (("AUTH0", people), ("EXCHANGE", servers)):
        for entry in entries[:1]:
            if entry["name"] in existing.clients:
                public = entry.get("token_endpoint_auth_method") == "none"
                _add_client(found, prefix, existing.clients[entry["name"]], public=public)
    return found


def require_writable(path: Path) -> None:
    """Before the tenant is changed: whether `write_environment` can write the file.

    Raises:
        ConfigurationError: the folder does not exist, or it is read-only, as in a container.
    """
    if not os.access(path.absolute().parent, os.W_OK):
        raise ConfigurationError(f"{path} cannot be written here. --show-secrets prints the lines instead.")


def write_environment(path: Path, found: Environment) -> None:
    """Write the variables into a file that only its owner can read. Its other lines stay, except those of another
    tenant, which become empty: variables that choose another one, and the offline tenant's published credentials.

    Raises:
        ConfigurationError: the file cannot be read or written.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        write_private(path, ("\n".join(_replaced(lines, found)) + "\n").encode())
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"{path} cannot be read or written ({error}). Name another file with --env-file."
        ) from None


def _add_client(found: Environment, prefix: str, client: dict[str, str], *, public: bool) -> None:
    found.public[f"{prefix}_CLIENT_ID"] = client["client_id"]
    if public:
        return
    if client.get("client_secret"):
        found.secrets[f"{prefix}_CLIENT_SECRET"] = client["client_secret"]
    else:
        found.withheld.append(f"{prefix}_CLIENT_SECRET")


def _replaced(lines: list[str], found: Environment) -> list[str]:
    values = {**found.public, **found.secrets}
    rest = dict(values)
    written = []
    for line in lines:
        match = re.match(r"\s*(?:export\s+)?([A-Z0-9_]+)\s*=\s*(.*)", line)
        name, value = match.groups() if match else ("", "")
        if name in values:
            # A variable that the file has twice is written once.
            if name in rest:
                written.append(f"{name}={rest.pop(name)}")
            continue
        published = _PUBLISHED.search(value) and value not in found.known
        written.append(f"{name}=" if _OTHER_TENANTS.fullmatch(name) or published else line)
    return written + [f"{name}={value}" for name, value in rest.items()]
