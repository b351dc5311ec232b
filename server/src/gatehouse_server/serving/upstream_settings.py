"""The configuration of upstream mode: which server is behind the gate, and what it learns about the callers."""

from __future__ import annotations

from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from ..auth.outgoing import proxy_for
from .settings import ENV_FILE


class UpstreamSettings(BaseSettings):
    """The configuration of upstream mode. Field aliases are the variables' names."""

    model_config = SettingsConfigDict(
        env_file=ENV_FILE,
        env_file_encoding="utf-8-sig",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        validate_default=False,
    )

    url: str = Field(default="", validation_alias="UPSTREAM_URL")
    audience: str = Field(default="", validation_alias="UPSTREAM_AUDIENCE")
    identity: Literal["assertion", "bearer", "headers", "none"] = Field(
        default="assertion", validation_alias="UPSTREAM_IDENTITY"
    )
    key_file: str = Field(default="", validation_alias="UPSTREAM_KEY_FILE")
    trusts_meta: bool = Field(default=False, validation_alias="UPSTREAM_META_PERMISSIONS")
    timeout: float = Field(default=300.0, gt=0, le=86400, validation_alias="UPSTREAM_TIMEOUT")

    @field_validator("url")
    @classmethod
    def _plain_url(cls, value: str) -> str:
        parts = urlsplit(value)
        try:
            _ = parts.port
        except ValueError as error:
            raise ValueError(f"a URL is valid ({error})") from error
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("the URL of the server's MCP endpoint is valid, such as http://127.0.0.1:8000/mcp")
        if parts.username is not None or parts.fragment:
            raise ValueError("a URL without user, password and fragment is valid")
        proxy_for(value)
        return value

    @property
    def is_on(self) -> bool:
        """Whether another server is behind the gate."""
        return bool(self.url)
