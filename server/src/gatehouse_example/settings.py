"""The variables of the example server, beside those of the library."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from gatehouse_server import Settings

SHORTEST_SECRET = 32
_PUBLISHED_PREFIX = "demo-secret-of-the-offline-tenant"
_THIS_MACHINE = ("localhost", "127.0.0.1", "::1")


class ExampleSettings(Settings):
    """The configuration of the example server.

    Attributes:
        request_state_secret: encrypts the state of calls that ask the person; the same for all replicas.
        exchange_client_id: the server's own application in the tenant, for token exchange; without it the tool that
            calls another API is not offered.
        exchange_client_secret: the secret of that application.
        token_url: the tenant's token endpoint; by default that of Auth0.
        calendar_url: the API that the tool calls; by default the one in this process.
        calendar_audience: the `aud` of tokens for that API.
        request_state_secret_file: the path of a file with the secret.
        exchange_client_secret_file: the path of a file with the secret.
    """

    request_state_secret: SecretStr | None = Field(default=None, validation_alias="REQUEST_STATE_SECRET")
    exchange_client_id: str = Field(default="", validation_alias="EXCHANGE_CLIENT_ID")
    exchange_client_secret: SecretStr | None = Field(default=None, validation_alias="EXCHANGE_CLIENT_SECRET")
    token_url: str = Field(default="", validation_alias="AUTH0_TOKEN_URL")
    calendar_url: str = Field(default="", validation_alias="CALENDAR_URL")
    calendar_audience: str = Field(default="https://calendar.gatehouse.example/", validation_alias="CALENDAR_AUDIENCE")
    # Read before validation. They are fields because only fields are read from the environment.
    request_state_secret_file: str | None = Field(default=None, validation_alias="REQUEST_STATE_SECRET_FILE")
    exchange_client_secret_file: str | None = Field(default=None, validation_alias="EXCHANGE_CLIENT_SECRET_FILE")

    @property
    def exchange_url(self) -> str:
        """The tenant's token endpoint; empty if it is not known."""
        return self.token_url or ("" if self.oidc_issuer else f"{self.issuer.rstrip('/')}/oauth/token")

    @property
    def events_url(self) -> str:
        """The events of the calendar: by default of that in this process."""
        scheme = "https" if self.tls_cert_file else "http"
        host = "[::1]" if self.host == "::1" else self.host if self.host in _THIS_MACHINE else "localhost"
        return self.calendar_url or f"{scheme}://{host}:{self.port}/calendar/events"

    def unfit_for_production(self) -> list[str]:
        """As of the library; the state of calls that ask the person must also be readable by every replica."""
        found = super().unfit_for_production()
        if not self.request_state_keys:
            found.append(
                "REQUEST_STATE_SECRET is missing: set REQUEST_STATE_SECRET_FILE to a file with at least"
                f" {SHORTEST_SECRET} characters, the same for all replicas, such as `openssl rand -hex 32` prints"
            )
        return found

    @property
    def request_state_keys(self) -> list[str]:
        """The secrets that replicas share, the newest first. It encrypts, and each decrypts."""
        return _split(self.request_state_secret)

    @property
    def warning(self) -> str:
        """What is right for one process only; empty if nothing is."""
        if self.request_state_keys or self.host in _THIS_MACHINE:
            return ""
        return (
            "REQUEST_STATE_SECRET is not set: a call that asks the person ends only at the process where it began, and"
            " not after a restart. Set it to the same for all replicas, such as `openssl rand -hex 32` prints."
        )

    @field_validator("request_state_secret")
    @classmethod
    def _long_enough(cls, value: SecretStr | None) -> SecretStr | None:
        keys = _split(value)
        if (value is not None and not keys) or min(map(len, keys), default=SHORTEST_SECRET) < SHORTEST_SECRET:
            raise ValueError(
                f"at least {SHORTEST_SECRET} characters are valid, such as `openssl rand -hex 32` prints; or several"
                " of them with commas or spaces between, the newest first"
            )
        return value

    @model_validator(mode="after")
    def _require_safe_exchange(self) -> ExampleSettings:
        if self.exchange_client_id and not self.exchange_url:
            raise ValueError("EXCHANGE_CLIENT_ID is set with OIDC_ISSUER: also set AUTH0_TOKEN_URL, the token endpoint")
        if urlsplit(self.issuer).hostname in _THIS_MACHINE or self.offline_tenant or not self.exchange_url:
            return self
        if urlsplit(self.exchange_url).scheme != "https":
            raise ValueError(
                f"AUTH0_TOKEN_URL is {self.exchange_url!r}: https:// is needed, because a secret is sent there"
            )
        secret = self.exchange_client_secret
        if secret is not None and secret.get_secret_value().startswith(_PUBLISHED_PREFIX):
            raise ValueError(
                "EXCHANGE_CLIENT_SECRET is the published secret of the offline tenant, but the issuer is"
                f" {self.issuer}: set your own application's secret, or leave it and EXCHANGE_CLIENT_ID empty"
            )
        return self


def _split(secrets: SecretStr | None) -> list[str]:
    found = re.split(r"[\s,]+", secrets.get_secret_value()) if secrets else []
    return list(dict.fromkeys(filter(None, found)))
