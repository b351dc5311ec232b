"""The shape of offline.yaml: ids, secrets and users, which a real tenant issues itself, and behaviours."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from ..behaviours.switches import Behaviours
from .model import StatedClaims, User


class Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, defer_build=True)


class IssuedClient(Entry):
    client_id: str = Field(min_length=1, pattern=r"^[\x21-\x7E]+$")
    client_secret: str = ""
    public_key: str | None = Field(default=None, description="PEM; verifies private_key_jwt assertions")


class ManagementClient(Entry):
    """An application for scripts that set the tenant up. In a real tenant a person creates it in the dashboard."""

    name: str = Field(min_length=1)
    client_id: str = Field(min_length=1, pattern=r"^[\x21-\x7E]+$")
    client_secret: str = Field(min_length=1)
    scope: list[str] | None = Field(default=None, description="The Management API scopes it may have; all if absent")


MetadataUrl = Annotated[str, Field(pattern=r"^https://[\x21-\x7E]+$")]


class IssuedOrganization(Entry):
    """`members` are emails, or emails with the roles that a member has in this organization only."""

    id: str | None = Field(default=None, pattern=r"^org_[A-Za-z0-9]+$")
    members: list[str] | dict[str, list[str]] = []


class ClaimsSection(Entry):
    """Custom claims without an Action: by the user's email, the client's name and the API's identifier."""

    users: dict[str, StatedClaims] = {}
    clients: dict[str, StatedClaims] = {}
    apis: dict[str, StatedClaims] = {}


class OfflineFile(Entry):
    """An offline.yaml. `client_metadata_documents` has the JSON documents at the addresses of clients, by address."""

    clients: dict[str, IssuedClient] = {}
    management_clients: list[ManagementClient] = []
    role_ids: dict[str, str] = {}
    users: list[User] = []
    client_metadata_documents: dict[MetadataUrl, dict[str, Any]] = {}
    organizations: dict[str, IssuedOrganization] = {}
    claims: ClaimsSection = ClaimsSection()
    behaviours: Behaviours = Behaviours()
