"""The shape of tenant.yaml, in the words of Auth0's Deploy CLI."""

from __future__ import annotations

import json
from typing import Any, Literal

from pydantic import Field, model_validator

from . import exported_keys
from .client_section import ClientSection
from .model import ClientPolicy, Dialect, SubjectType, UserPolicy
from .section import Section

# Deploy CLI 8.44.0 writes this into the export of a grant that has `default_for`.
UNDEFINED_CLIENT = "undefined_clientId"


class FlagsSection(Section):
    exported = exported_keys.FLAGS

    use_scope_descriptions_for_consent: bool = False
    revoke_refresh_token_grant: bool = False
    enable_dynamic_client_registration: bool = False


class OidcLogoutSection(Section):
    # On by default for tenants created since November 2023 (Auth0: Log Users Out of Auth0).
    rp_logout_end_session_endpoint_discovery: bool = True


class TenantSection(Section):
    exported = exported_keys.TENANT

    friendly_name: str = "Offline tenant"
    resource_parameter_profile: Literal["audience", "compatibility"] = Field(
        default="audience",
        description="Whether `resource` (RFC 8707) selects the API where `audience` is absent, as MCP clients need it.",
    )
    default_audience: str = Field(
        default="", description="The API of requests that name none. It does not count for client_credentials."
    )
    authorization_response_iss_parameter_supported: bool = Field(
        default=False, description="Whether answers of /authorize carry `iss` (RFC 9207)."
    )
    skip_non_verifiable_callback_uri_confirmation_prompt: bool | None = None
    dynamic_client_registration_security_mode: Literal["strict", "permissive"] = "strict"
    client_id_metadata_document_supported: bool = False
    client_id_metadata_document_dynamic_registration_supported: bool = False
    allowed_logout_urls: list[str] = Field(default_factory=list)
    session_lifetime: float = Field(default=168, gt=0)
    oidc_logout: OidcLogoutSection = OidcLogoutSection()
    flags: FlagsSection = FlagsSection()

    @model_validator(mode="after")
    def _dynamic_metadata_needs_metadata(self) -> TenantSection:
        dynamic = self.client_id_metadata_document_dynamic_registration_supported
        if dynamic and not self.client_id_metadata_document_supported:
            raise ValueError(
                "client_id_metadata_document_dynamic_registration_supported requires "
                "client_id_metadata_document_supported"
            )
        return self


class ScopeEntry(Section):
    value: str = Field(min_length=1, pattern=r"^[\x21\x23-\x5B\x5D-\x7E]+$")
    description: str = ""


class UserPolicySection(Section):
    policy: UserPolicy = "allow_all"


class ClientPolicySection(Section):
    policy: ClientPolicy = "require_client_grant"


class SubjectTypeSection(Section):
    exported = frozenset({"anonymous_user"})

    user: UserPolicySection = UserPolicySection()
    client: ClientPolicySection = ClientPolicySection()


class ResourceServerSection(Section):
    exported = exported_keys.RESOURCE_SERVER

    name: str
    identifier: str = Field(
        min_length=1,
        description="The audience of its tokens, compared byte by byte: for an MCP server exactly its URL.",
    )
    scopes: list[ScopeEntry] = Field(default_factory=list)
    signing_alg: Literal["RS256", "HS256", "PS256"] = "RS256"
    signing_secret: str | None = Field(default=None, min_length=16)
    token_dialect: Dialect = Field(
        default="access_token",
        description="The shape of its access tokens; the _authz ones carry `permissions` where RBAC is on.",
    )
    token_lifetime: int = Field(default=86400, gt=0, le=2592000)
    enforce_policies: bool = Field(
        default=False, description="RBAC: a user gets the permissions of their roles and no others."
    )
    allow_offline_access: bool = Field(default=False, description="Whether the scope offline_access is granted.")
    skip_consent_for_verifiable_first_party_clients: bool = True
    subject_type_authorization: SubjectTypeSection = SubjectTypeSection()


class DatabaseSection(Section):
    exported = exported_keys.DATABASE

    name: str
    strategy: Literal["auth0"] = "auth0"
    is_domain_connection: bool = Field(
        default=False, description="Whether third-party clients may use it; they see no other connections."
    )
    enabled_clients: list[str] = Field(default_factory=list)


class ClientGrantSection(Section):
    exported = exported_keys.CLIENT_GRANT

    client_id: str | None = None
    default_for: Literal["third_party_clients"] | None = Field(
        default=None, description="The grant of all third-party clients, in place of client_id."
    )
    audience: str
    subject_type: SubjectType = "client"
    scope: list[str] = Field(default_factory=list)
    allow_all_scopes: bool = False

    @model_validator(mode="after")
    def _one_holder(self) -> ClientGrantSection:
        if self.default_for and self.client_id == UNDEFINED_CLIENT:
            self.client_id = None
        if (self.client_id is None) == (self.default_for is None):
            raise ValueError("needs exactly one of client_id and default_for")
        if self.allow_all_scopes and self.scope:
            raise ValueError("allow_all_scopes excludes scope")
        return self


class RolePermissionSection(Section):
    permission_name: str
    resource_server_identifier: str


class RoleSection(Section):
    exported = exported_keys.ROLE

    name: str
    permissions: list[RolePermissionSection] = Field(default_factory=list)


class TenantFile(Section):
    """A tenant.yaml that the Deploy CLI could import."""

    exported = exported_keys.SECTIONS

    tenant: TenantSection = TenantSection()
    resourceServers: list[ResourceServerSection] = Field(default_factory=list)  # noqa: N815 - the Deploy CLI's word
    clients: list[ClientSection] = Field(default_factory=list)
    databases: list[DatabaseSection] = Field(default_factory=list)
    clientGrants: list[ClientGrantSection] = Field(default_factory=list)  # noqa: N815 - the Deploy CLI's word
    roles: list[RoleSection] = Field(default_factory=list)


def schema_text() -> str:
    return json.dumps(schema(), indent=2, sort_keys=True) + "\n"


def schema() -> dict[str, Any]:
    """What the loader takes: our keys described, those of an export that change nothing allowed, all others refused."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **TenantFile.model_json_schema(),
        "title": "tenant.yaml: an Auth0 tenant in the words of the Deploy CLI",
    }
