"""The shape of offline.yaml: what a real tenant issues by itself, and how the offline one is to behave."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from ..behaviours.switches import Behaviours


class Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class IssuedClient(Entry):
    client_id: str = Field(min_length=1, pattern=r"^[\x21-\x7E]+$")
    client_secret: str = ""
    public_key: str | None = Field(default=None, description="PEM; what private_key_jwt is checked with")


class SeededUser(Entry):
    email: str = Field(pattern=r"^[^@\s]+@[^@\s]+$")
    user_id: str = Field(min_length=1, pattern=r"^[\x21-\x7E]+$")
    password: str = Field(min_length=1)
    email_verified: bool = True
    name: str | None = None
    given_name: str | None = None
    family_name: str | None = None
    nickname: str | None = None
    picture: str | None = None
    user_metadata: dict[str, Any] | None = None
    app_metadata: dict[str, Any] | None = None
    roles: list[str] = []


class ManagementClient(Entry):
    """An application for scripts that set the tenant up. In a real tenant one is made by hand, in the dashboard."""

    name: str = Field(min_length=1)
    client_id: str = Field(min_length=1, pattern=r"^[\x21-\x7E]+$")
    client_secret: str = Field(min_length=1)
    scope: list[str] | None = Field(default=None, description="Management API scopes it may have; all without it")


class OfflineFile(Entry):
    """An offline.yaml."""

    clients: dict[str, IssuedClient] = {}
    management_clients: list[ManagementClient] = []
    role_ids: dict[str, str] = {}
    users: list[SeededUser] = []
    behaviours: Behaviours = Behaviours()
