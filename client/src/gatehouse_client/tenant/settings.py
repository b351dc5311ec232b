"""Settings of `gatehouse tenant`: the tenant, and the credentials for its Management API."""

from __future__ import annotations

import json
import os
from typing import Any

from dotenv import dotenv_values
from pydantic import Field, field_validator

from ..errors import ConfigurationError
from ..settings import DOMAIN, ENV_FILE, Secret, SecretTarget, Settings, load

_NO_CREDENTIALS = (
    "The Management API needs AUTH0_MGMT_CLIENT_ID and AUTH0_MGMT_CLIENT_SECRET (or AUTH0_MGMT_TOKEN). Not set: "
    "{missing}. In the dashboard, create an application of the type Machine to Machine under Applications > "
    "Applications and authorize it for the Auth0 Management API. Its Settings show both values."
)
_NO_DOMAIN = (
    "AUTH0_DOMAIN is not set. It must be the tenant's domain, such as dev-xxxx.us.auth0.com. The dashboard shows it "
    "under Applications > Applications > your application > Settings > Domain."
)


class TenantSettings(Settings):
    """The client's settings, and the settings for the Management API."""

    auth0_client_id: str | None = Field(None, description="the Client ID of the application")
    auth0_mgmt_domain: str | None = Field(
        None, pattern=DOMAIN, description="the tenant's own domain, if AUTH0_DOMAIN is a custom domain"
    )
    auth0_mgmt_client_id: str | None = Field(None, description="the Client ID of the management application")
    auth0_mgmt_client_secret: Secret | None = Field(None, description="the management application's Client Secret")
    auth0_mgmt_token: Secret | None = Field(None, description="a Management API token")
    auth0_keyword_replace_mappings: dict[str, Any] = Field(
        default_factory=dict, description="a JSON object: values for ##KEY## and @@KEY@@ in the tenant file"
    )

    @field_validator("auth0_keyword_replace_mappings", mode="before")
    @classmethod
    def _keywords_are_an_object(cls, value: object) -> object:
        return json.loads(value) if isinstance(value, str) else value

    def secret_targets(self) -> dict[str, SecretTarget]:
        """Also where the secrets for the Management API are sent."""
        tenant = self._tenant_target
        if self.auth0_mgmt_domain:
            tenant = SecretTarget(self.management_issuer, ("auth0_mgmt_domain",))
        return super().secret_targets() | {"auth0_mgmt_token": tenant, "auth0_mgmt_client_secret": tenant}

    def keywords(self) -> dict[str, Any]:
        """Values for ##KEY## and @@KEY@@ in the tenant file, by name.

        An environment variable (or a line in `.env`) goes before AUTH0_KEYWORD_REPLACE_MAPPINGS, as in the Deploy CLI
        (`import` with its default `--env`). The two URLs that depend on where the stack runs always have a value.
        """
        variables = {**dotenv_values(ENV_FILE, encoding="utf-8-sig"), **os.environ}
        given = {name: value for name, value in variables.items() if value}
        derived = {"MCP_PUBLIC_URL": self.mcp_public_url, "OAUTH_CALLBACK_URI": self.oauth_callback_uri}
        return {**self.auth0_keyword_replace_mappings, **given, **derived}

    @property
    def management_issuer(self) -> str:
        """The tenant by the domain that its Management API uses, with a slash at the end.

        Raises:
            ConfigurationError: no setting names the tenant.
        """
        issuer = f"https://{self.auth0_mgmt_domain}/" if self.auth0_mgmt_domain else self.issuer
        if issuer is None:
            raise ConfigurationError(_NO_DOMAIN)
        return issuer

    @property
    def has_credentials(self) -> bool:
        """Whether any credential for the Management API is set; the credentials may be incomplete."""
        return any((self.auth0_mgmt_token, self.auth0_mgmt_client_id, self.auth0_mgmt_client_secret))

    def require_credentials(self) -> None:
        """
        Raises:
            ConfigurationError: a credential is missing; the message names the setting.
        """
        required = ("AUTH0_MGMT_CLIENT_ID", "AUTH0_MGMT_CLIENT_SECRET")
        missing = [name for name in required if getattr(self, name.lower()) is None]
        if missing and self.auth0_mgmt_token is None:
            raise ConfigurationError(_NO_CREDENTIALS.format(missing=", ".join(missing)))


def load_tenant_settings() -> TenantSettings:
    """
    Raises:
        ConfigurationError: names every wrong variable; never a secret's value.
    """
    return load(TenantSettings, {})
