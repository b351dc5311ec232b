"""The configuration of upstream mode: which server is behind the gate, and what it learns about the callers."""

from __future__ import annotations

import os
import shlex
import shutil
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from ..auth.provider.outgoing import proxy_for
from .settings import ENV_FILE, CommaSeparated, SettingsError


class UpstreamSettings(BaseSettings):
    """The configuration of upstream mode. Field aliases are the variables' names.

    Attributes:
        url: the MCP endpoint of the server behind the gate.
        command: the command of a server over stdio instead, with the quotes of a shell, which no shell reads.
        command_variables: names of variables that the process of the command also gets, separated by commas.
        folder: the folder in which the command runs; by default the gate's own.
        max_processes: how many processes of the command run at most.
        idle_seconds: seconds without a request until a process ends.
        audience: the `aud` of the assertion; by default `UPSTREAM_URL`.
        identity: what tells the server who asks: `assertion`, `bearer`, `headers` or `none`.
        key_file: P-256 private keys in PEM, which sign the assertion; by default a new key at each start.
        trusts_meta: whether the server may also state permissions, in `_meta` of its tools.
        timeout: seconds for which the server may be silent; then the answer is 504.
    """

    model_config = SettingsConfigDict(
        env_file=ENV_FILE,
        env_file_encoding="utf-8-sig",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        validate_default=False,
    )

    url: str = Field(default="", validation_alias="UPSTREAM_URL")
    command: Annotated[tuple[str, ...], NoDecode] = Field(default=(), validation_alias="UPSTREAM_COMMAND")
    folder: str = Field(default="", validation_alias="UPSTREAM_FOLDER")
    command_variables: CommaSeparated = Field(default=(), validation_alias="UPSTREAM_COMMAND_ENV")
    max_processes: int = Field(default=32, ge=2, le=10_000, validation_alias="UPSTREAM_MAX_PROCESSES")
    idle_seconds: float = Field(default=300.0, gt=0, le=86400, validation_alias="UPSTREAM_IDLE_SECONDS")
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
        if not value:
            return value
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

    @field_validator("command", mode="before")
    @classmethod
    def _words(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        try:
            return tuple(shlex.split(value))
        except ValueError as error:
            raise ValueError(f"words as in a shell are valid, in quotes if they have spaces ({error})") from error

    @field_validator("command_variables", mode="before")
    @classmethod
    def _names(cls, value: object) -> object:
        return tuple(filter(None, map(str.strip, value.split(",")))) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_upstream(self) -> UpstreamSettings:
        if self.url and self.command:
            raise ValueError("UPSTREAM_URL and UPSTREAM_COMMAND are set: only one server can be behind the gate")
        return self

    @property
    def is_on(self) -> bool:
        """Whether another server is behind the gate."""
        return bool(self.url or self.command)

    def require_program(self) -> None:
        """
        Raises:
            SettingsError: there is no such program or folder.
        """
        if self.folder and not Path(self.folder).is_dir():
            raise SettingsError(f"UPSTREAM_FOLDER is {self.folder!r}: the path of a folder is valid.")
        program = self.command[0]
        place = Path(self.folder, program) if os.sep in program else program
        if shutil.which(place) is None:
            raise SettingsError(
                f"UPSTREAM_COMMAND begins with {program!r}: there is no such program here. In a container only the"
                " programs of its image exist (docs/upstream.md)."
            )

    def command_environment(self) -> dict[str, str]:
        """The variables of UPSTREAM_COMMAND_ENV, with their values in this process.

        Raises:
            SettingsError: one is not set.
        """
        missing = [name for name in self.command_variables if name not in os.environ]
        if missing:
            raise SettingsError(f"UPSTREAM_COMMAND_ENV names {', '.join(missing)}: not set in the environment.")
        return {name: os.environ[name] for name in self.command_variables}
