"""The shape of tenant.yaml, in the words of Auth0's Deploy CLI."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from ipaddress import ip_network
from types import UnionType
from typing import Any, ClassVar, Literal, Union, get_args, get_origin

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    ModelWrapValidatorHandler,
    PrivateAttr,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from ..formats.origins import has_placeholder, is_understood
from . import exported_keys
from .keywords import JSON
from .model import (
    GRANT_DEVICE,
    ClientPolicy,
    Dialect,
    OrganizationPrompt,
    OrganizationUsage,
    SubjectType,
    UserPolicy,
)
from .passwords import PERSONAL_DATA

# Deploy CLI 8.44.0 exports this client_id for a grant that has `default_for`.
UNDEFINED_CLIENT = "undefined_clientId"
# The grants that a strict third-party application may have (Auth0, Security Controls for Third-Party Applications).
STRICT_GRANTS = ("authorization_code", "refresh_token", "client_credentials")
APP_TYPE_GRANTS: dict[str, tuple[str, ...]] = {
    "regular_web": ("authorization_code", "implicit", "refresh_token", "client_credentials"),
    "spa": ("authorization_code", "implicit", "refresh_token"),
    "native": ("authorization_code", "implicit", "refresh_token"),
    "non_interactive": ("client_credentials",),
    "resource_server": (),
}
PLAYED_GRANTS = (
    "password",
    "http://auth0.com/oauth/grant-type/password-realm",
    *("authorization_code", "refresh_token", "client_credentials", GRANT_DEVICE),
    "urn:ietf:params:oauth:grant-type:token-exchange",
)
PLAYED_TRIGGERS = ("post-login", "credentials-exchange")
PUBLIC_APP_TYPES = ("spa", "native")
# The likeness (difflib) from which an unknown key counts as a misspelled one.
MISSPELLED = 0.85


class Section(BaseModel):
    """A part of the file. Its fields are what the tenant plays; any other key is kept unchanged and has no effect.

    The Deploy CLI passes every key on, so an unknown key is no mistake unless it is nearly the name of a field.
    `exported` are the other keys that Auth0 has. A `closed` section has no keys but these, as in the Deploy CLI.
    """

    model_config = ConfigDict(extra="forbid", strict=True, defer_build=True)
    exported: ClassVar[frozenset[str]] = frozenset()
    closed: ClassVar[bool] = False
    any_key: ClassVar[bool] = False  # also in Auth0's API
    _kept: dict[str, Any] = PrivateAttr(default_factory=dict)

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Exported keys may have any value. Every key may be null, which counts as absent."""
        described = handler(core_schema)
        target = handler.resolve_ref_schema(described)
        properties = target.setdefault("properties", {})
        for name, value in properties.items():
            properties[name] = {"anyOf": [value, {"type": "null"}]}
        properties.update(dict.fromkeys(sorted(cls.exported), True))
        return described

    @model_validator(mode="wrap")
    @classmethod
    def _keep_exported(cls, data: Any, handler: ModelWrapValidatorHandler[Section]) -> Section:  # noqa: ANN401 - YAML
        if not isinstance(data, dict):
            return handler(data)
        stated = {key: value for key, value in data.items() if value is not None}
        kept = {key: value for key, value in stated.items() if cls._has_no_effect(key) or cls._lacks_value(key, value)}
        section = handler({key: value for key, value in stated.items() if key not in kept})
        section._kept = kept
        return section

    @classmethod
    def _has_no_effect(cls, key: object) -> bool:
        if key in cls.exported or (cls.any_key and key not in cls.model_fields):
            return True
        if cls.closed or not isinstance(key, str) or key in cls.model_fields:
            return False
        return not get_close_matches(key, cls.model_fields, n=1, cutoff=MISSPELLED)

    @classmethod
    def _lacks_value(cls, key: str, value: object) -> bool:
        """Whether a keyword without a value stands where something other than text belongs. It counts as absent."""
        if not isinstance(value, str) or not JSON.fullmatch(value) or key not in cls.model_fields:
            return False
        annotation = cls.model_fields[key].annotation
        takes_text = get_origin(annotation) in (Union, UnionType) and str in get_args(annotation)
        return annotation is not str and not takes_text

    @property
    def not_played(self) -> Mapping[str, Any]:
        """The keys without an effect, with their values."""
        return self._kept

    def values_not_played(self) -> Iterator[tuple[str, str]]:
        """Values of fields that are accepted and not played, by field."""
        yield from ()

    @model_serializer(mode="wrap")
    def _with_kept(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {**handler(self), **self._kept}


def section_of(annotation: Any) -> type[Section] | None:  # noqa: ANN401 - a type
    """The section in the annotation of a field: itself, in a list, or optional."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation
    return next(filter(None, map(section_of, get_args(annotation))), None)


class FlagsSection(Section):
    exported = exported_keys.FLAGS

    use_scope_descriptions_for_consent: bool = False
    revoke_refresh_token_grant: bool = False
    require_pushed_authorization_requests: bool = False
    enable_public_signup_user_exists_error: bool = Field(
        default=False, description="Whether a sign-up says that the user exists."
    )
    enable_dynamic_client_registration: bool = False


class OidcLogoutSection(Section):
    # On by default for tenants created since November 2023 (Auth0: Log Users Out of Auth0).
    rp_logout_end_session_endpoint_discovery: bool = True


class TenantSection(Section):
    exported = exported_keys.TENANT

    friendly_name: str = "Offline tenant"
    resource_parameter_profile: Literal["audience", "compatibility"] = Field(
        default="audience",
        description="Whether `resource` (RFC 8707) selects the API if `audience` is absent. MCP clients need it.",
    )
    default_audience: str = Field(
        default="", description="The API of requests that name no API. client_credentials ignores it."
    )
    default_directory: str | None = Field(
        default=None, description="The database of the password grant if the request names no realm."
    )
    authorization_response_iss_parameter_supported: bool = Field(
        default=False, description="Whether answers of /authorize have `iss` (RFC 9207)."
    )
    pushed_authorization_requests_supported: bool = Field(
        default=False, description="Whether /oauth/par accepts requests (PAR, RFC 9126)."
    )
    skip_non_verifiable_callback_uri_confirmation_prompt: bool | None = None
    dynamic_client_registration_security_mode: Literal["strict", "permissive"] = "strict"
    client_id_metadata_document_supported: bool = False
    client_id_metadata_document_dynamic_registration_supported: bool = False
    allowed_logout_urls: list[str] = Field(default_factory=list)
    allow_organization_name_in_authentication_api: bool = Field(
        default=False, description="Requests may name an organization, and tokens have `org_name`."
    )
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


class ProofOfPossessionSection(Section):
    mechanism: Literal["mtls", "dpop", "none"] | None = None
    required: bool = False
    required_for: Literal["all_clients", "public_clients"] = "all_clients"


class ResourceServerSection(Section):
    exported = exported_keys.RESOURCE_SERVER

    name: str
    identifier: str = Field(
        min_length=1,
        description="The audience of its tokens, compared byte by byte. For an MCP server it is exactly its URL.",
    )
    scopes: list[ScopeEntry] = Field(default_factory=list)
    signing_alg: Literal["RS256", "HS256", "PS256"] = "RS256"
    signing_secret: str | None = Field(default=None, min_length=16)
    token_dialect: Dialect = Field(
        default="access_token",
        description="The claims of its access tokens. The _authz dialects have `permissions` if RBAC is on.",
    )
    token_lifetime: int = Field(default=86400, gt=0, le=2592000)
    enforce_policies: bool = Field(default=False, description="RBAC: a user gets only the permissions of their roles.")
    allow_offline_access: bool = Field(default=False, description="Whether the scope offline_access is granted.")
    skip_consent_for_verifiable_first_party_clients: bool = True
    proof_of_possession: ProofOfPossessionSection | None = Field(
        default=None,
        description="If `required`, the API has bound tokens only. The offline tenant has none, so nobody gets one.",
    )
    subject_type_authorization: SubjectTypeSection = SubjectTypeSection()


class JwtConfigurationSection(Section):
    exported = frozenset({"secret_encoded", "scopes"})

    alg: Literal["RS256", "HS256", "PS256"] = "RS256"
    lifetime_in_seconds: int = Field(default=36000, gt=0)


class RefreshTokenPolicySection(Section):
    """An API for which a refresh token may get access tokens (Auth0: Multi-Resource Refresh Token)."""

    audience: str = Field(min_length=1)
    scope: list[str] = Field(default_factory=list)


class RefreshTokenSection(Section):
    """The defaults are those of Auth0's Management API: tokens neither rotate nor expire."""

    rotation_type: Literal["rotating", "non-rotating"] | None = None
    expiration_type: Literal["expiring", "non-expiring"] | None = None
    leeway: int = Field(default=0, ge=0, le=60)
    token_lifetime: int = Field(default=2592000, gt=0, le=157788000)
    infinite_token_lifetime: bool = False
    idle_token_lifetime: int | None = Field(default=None, gt=0)
    infinite_idle_token_lifetime: bool = False
    policies: list[RefreshTokenPolicySection] = Field(
        default_factory=list, description="Other APIs that a refresh may name in `audience`, for first-party clients."
    )


class CredentialSection(Section):
    exported = frozenset({"id", "name", "credential_type", "created_at", "updated_at", "expires_at"})

    pem: str | None = None
    kid: str | None = None
    alg: Literal["RS256", "RS384", "PS256"] = "RS256"


class PrivateKeyJwtSection(Section):
    credentials: list[CredentialSection] = Field(default_factory=list)


class AuthenticationMethodsSection(Section):
    exported = frozenset({"tls_client_auth", "self_signed_tls_client_auth"})

    private_key_jwt: PrivateKeyJwtSection | None = None


class TokenExchangeSection(Section):
    allow_any_profile_of_type: list[Literal["custom_authentication", "on_behalf_of_token_exchange"]] = Field(
        default_factory=list
    )


class DefaultOrganizationSection(Section):
    """The organization of client_credentials requests that name none, if the grant requires one."""

    exported = frozenset({"flows"})

    organization_id: str | None = None


class ClientSection(Section):
    exported = exported_keys.CLIENT

    name: str = Field(min_length=1, pattern=r"^[^<>]+$")
    app_type: str = "regular_web"
    is_first_party: bool = Field(
        default=True, description="A third-party client needs PKCE, a client grant and a domain-level connection."
    )
    external_client_id: str | None = None
    third_party_security_mode: Literal["strict", "permissive"] = "strict"
    redirection_policy: Literal["allow_always", "open_redirect_protection"] | None = None
    callbacks: list[str] = Field(default_factory=list)
    allowed_logout_urls: list[str] = Field(default_factory=list)
    allowed_origins: list[str] = Field(
        default_factory=list, description="Origins whose pages may read answers, besides those of the callbacks."
    )
    web_origins: list[str] = Field(default_factory=list, description="Like allowed_origins.")
    grant_types: list[str] | None = None
    token_endpoint_auth_method: Literal["client_secret_post", "client_secret_basic", "none"] | None = None
    jwt_configuration: JwtConfigurationSection = JwtConfigurationSection()
    refresh_token: RefreshTokenSection = RefreshTokenSection()
    client_authentication_methods: AuthenticationMethodsSection = AuthenticationMethodsSection()
    token_exchange: TokenExchangeSection = TokenExchangeSection()
    resource_server_identifier: str | None = None
    require_pushed_authorization_requests: bool = Field(
        default=False, description="Whether /authorize accepts only what was sent to /oauth/par before."
    )
    par_request_expiry: int | None = Field(
        default=None, ge=1, description="Seconds until a request_uri of /oauth/par expires; 30 if absent."
    )
    require_proof_of_possession: bool = Field(
        default=False, description="Whether it gets bound tokens only. The offline tenant has none, so it gets none."
    )
    is_token_endpoint_ip_header_trusted: bool = Field(
        default=False, description="Whether auth0-forwarded-for is the sender of a password grant."
    )
    organization_usage: OrganizationUsage = Field(
        default="deny", description="Whether users may or must sign in as a member of an organization."
    )
    organization_require_behavior: OrganizationPrompt = Field(
        default="no_prompt", description="Who names the organization: the request, or a page before or after the login."
    )
    default_organization: DefaultOrganizationSection | None = None
    client_metadata: dict[str, Any] = Field(default_factory=dict)
    skip_non_verifiable_callback_uri_confirmation_prompt: bool | None = None

    def values_not_played(self) -> Iterator[tuple[str, str]]:
        possible = STRICT_GRANTS if self.is_strict else PLAYED_GRANTS
        yield from (("grant_types", grant) for grant in self.grant_types or () if grant not in possible)
        for name in ("callbacks", "allowed_logout_urls", "allowed_origins", "web_origins"):
            for url in getattr(self, name):
                organizations = name == "callbacks" and self.organization_usage != "deny"
                if has_placeholder(url) and (self.is_strict or not is_understood(url, organizations=organizations)):
                    yield name, url

    @property
    def is_strict(self) -> bool:
        return not self.is_first_party and self.third_party_security_mode == "strict"

    @model_validator(mode="after")
    def _strict_clients_are_restricted(self) -> ClientSection:
        if self.external_client_id is not None and not self.is_strict:
            raise ValueError("a client with external_client_id must have is_first_party: false and be strict")
        if not self.is_strict:
            return self
        # Exports from before April 2026 have third-party clients without a mode and with any grant type.
        extra = [grant for grant in self.grant_types or () if grant not in STRICT_GRANTS]
        if extra and "third_party_security_mode" in self.model_fields_set:
            raise ValueError(f"a strict third-party client cannot have the grant types {', '.join(extra)}")
        if self.jwt_configuration.alg != "RS256":
            raise ValueError("a strict third-party client must have jwt_configuration.alg RS256")
        return self


COMMON_PASSWORDS = "the list of common passwords"


class PasswordLengthSection(Section):
    any_key = True

    min_length: int | None = Field(default=None, ge=1, le=128)


class PasswordHistorySection(Section):
    any_key = True

    enable: bool = False
    size: int = Field(default=5, ge=0, le=24)


class PasswordDictionarySection(Section):
    any_key = True

    enable: bool = False
    dictionary: list[str] = Field(default_factory=list)


class PersonalInfoSection(Section):
    any_key = True

    enable: bool = False


class ComplexitySection(Section):
    any_key = True

    min_length: int = Field(default=1, ge=1, le=72)
    character_types: list[Literal["uppercase", "lowercase", "number", "special"]] = Field(default_factory=list)
    character_type_rule: Literal["all", "three_of_four"] = "all"
    identical_characters: Literal["allow", "block"] = "allow"
    sequential_characters: Literal["allow", "block"] = "allow"
    max_length_exceeded: Literal["truncate", "error"] = "truncate"


class DictionarySection(Section):
    any_key = True
    exported = frozenset({"default"})

    active: bool = False
    custom: list[str] = Field(default_factory=list)


class HistorySection(Section):
    any_key = True

    active: bool = False
    size: int = Field(default=5, ge=0, le=24)


class ProfileDataSection(Section):
    any_key = True

    active: bool = False
    blocked_fields: list[str] = Field(default_factory=lambda: list(PERSONAL_DATA))


class FlexiblePolicySection(Section):
    """Auth0's Flexible Password Policy. It replaces the older options."""

    any_key = True

    complexity: ComplexitySection = ComplexitySection()
    dictionary: DictionarySection = DictionarySection()
    history: HistorySection = HistorySection()
    profile_data: ProfileDataSection = ProfileDataSection()


class DatabaseOptionsSection(Section):
    any_key = True
    exported = exported_keys.DATABASE_OPTIONS

    passwordPolicy: Literal["none", "low", "fair", "good", "excellent"] = Field(  # noqa: N815 - Auth0's word
        default="none", description="The strength of new passwords. Those in offline.yaml are not checked."
    )
    password_complexity_options: PasswordLengthSection = PasswordLengthSection()
    password_history: PasswordHistorySection = PasswordHistorySection()
    password_dictionary: PasswordDictionarySection = PasswordDictionarySection()
    password_no_personal_info: PersonalInfoSection = PersonalInfoSection()
    password_options: FlexiblePolicySection | None = None
    disable_signup: bool = Field(default=False, description="Whether people cannot create an account themselves.")
    disable_self_service_change_password: bool = False
    brute_force_protection: bool = Field(
        default=True, description="Whether wrong passwords count. See attackProtection."
    )

    def values_not_played(self) -> Iterator[tuple[str, str]]:
        if self.password_options is not None and self.password_options.dictionary.active:
            yield "password_options.dictionary", COMMON_PASSWORDS
        elif self.password_dictionary.enable:
            yield "password_dictionary", COMMON_PASSWORDS


class DatabaseSection(Section):
    exported = exported_keys.DATABASE

    name: str
    strategy: Literal["auth0"] = "auth0"
    is_domain_connection: bool = Field(
        default=False, description="Whether third-party clients may use it. They cannot use other connections."
    )
    enabled_clients: list[str] = Field(default_factory=list)
    options: DatabaseOptionsSection = DatabaseOptionsSection()


class ClientGrantSection(Section):
    exported = exported_keys.CLIENT_GRANT

    client_id: str | None = None
    default_for: Literal["third_party_clients"] | None = Field(
        default=None, description="The grant is for all third-party clients. Replaces client_id."
    )
    audience: str
    subject_type: SubjectType | Literal["anonymous_user"] = "client"
    scope: list[str] = Field(default_factory=list)
    allow_all_scopes: bool = False
    organization_usage: OrganizationUsage = Field(
        default="deny", description="Whether client_credentials may or must name an organization."
    )
    allow_any_organization: bool = False

    def values_not_played(self) -> Iterator[tuple[str, str]]:
        if self.subject_type == "anonymous_user":
            yield "subject_type", self.subject_type

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
    exported = exported_keys.ROLE_PERMISSION

    permission_name: str
    resource_server_identifier: str


class RoleSection(Section):
    exported = exported_keys.ROLE

    name: str
    permissions: list[RolePermissionSection] = Field(default_factory=list)


class OrganizationConnectionSection(Section):
    exported = exported_keys.ORGANIZATION_CONNECTION

    name: str
    assign_membership_on_login: bool = Field(
        default=False, description="Users of this connection become members at their first sign-in."
    )
    is_enabled: bool = True


class OrganizationGrantSection(Section):
    exported = frozenset({"audience", "id"})

    client_id: str


class OrganizationSection(Section):
    exported = exported_keys.ORGANIZATION

    name: str = Field(min_length=1, pattern=r"^[a-z0-9_][a-z0-9_-]{0,49}$")
    display_name: str = ""
    metadata: dict[str, Any] = Field(default_factory=dict)
    connections: list[OrganizationConnectionSection] = Field(default_factory=list)
    client_grants: list[OrganizationGrantSection] = Field(default_factory=list)
    third_party_client_access: Literal["allow", "block", "deny"] = "block"


class ActionSecretSection(Section):
    exported = frozenset({"updated_at"})

    name: str
    value: str = Field(default="", repr=False)


class ActionSection(Section):
    exported = exported_keys.ACTION

    name: str = Field(min_length=1)
    code: str = Field(
        default="",
        repr=False,
        max_length=100 * 1024,
        description="The code, or the path of its file from this file's folder.",
    )
    deployed: bool = Field(default=False, description="Only a deployed Action runs.")
    secrets: list[ActionSecretSection] = Field(default_factory=list)

    @property
    def runs(self) -> bool:
        return self.deployed and bool(self.code)


class BindingSection(Section):
    exported = frozenset({"display_name"})

    action_name: str


Shield = Literal["block", "user_notification"]
SHIELDS: tuple[Shield, ...] = ("block", "user_notification")


class BruteForceSection(Section):
    enabled: bool = True
    shields: list[Shield] = Field(
        default_factory=lambda: list(SHIELDS), description="Without `block` the tenant only logs."
    )
    allowlist: list[str] = Field(default_factory=list, description="IP addresses or CIDR ranges that are not counted.")
    mode: Literal["count_per_identifier_and_ip", "count_per_identifier"] = "count_per_identifier_and_ip"
    max_attempts: int = Field(default=10, ge=1, le=100, description="Wrong passwords in a row before a block.")

    @field_validator("allowlist")
    @classmethod
    def _are_addresses(cls, value: list[str]) -> list[str]:
        for entry in value:
            try:
                ip_network(entry, strict=False)
            except ValueError as error:
                raise ValueError(f"{entry!r} is no IP address and no CIDR range") from error
        return value


class AttackProtectionSection(Section):
    exported = frozenset({"botDetection", "breachedPasswordDetection", "captcha", "suspiciousIpThrottling"})

    bruteForceProtection: BruteForceSection = BruteForceSection()  # noqa: N815 - the Deploy CLI's word


class TenantFile(Section):
    """A tenant.yaml that the Deploy CLI could import."""

    closed = True
    exported = exported_keys.SECTIONS

    tenant: TenantSection = TenantSection()
    resourceServers: list[ResourceServerSection] = Field(default_factory=list)  # noqa: N815 - the Deploy CLI's word
    clients: list[ClientSection] = Field(default_factory=list)
    databases: list[DatabaseSection] = Field(default_factory=list)
    clientGrants: list[ClientGrantSection] = Field(default_factory=list)  # noqa: N815 - the Deploy CLI's word
    roles: list[RoleSection] = Field(default_factory=list)
    organizations: list[OrganizationSection] = Field(default_factory=list)
    actions: list[ActionSection] = Field(default_factory=list)
    attackProtection: AttackProtectionSection = AttackProtectionSection()  # noqa: N815 - the Deploy CLI's word
    triggers: dict[str, list[BindingSection] | None] = Field(
        default_factory=dict, description="By trigger: the Actions that run, in their order."
    )


def schema_text() -> str:
    return json.dumps(schema(), indent=2, sort_keys=True) + "\n"


def schema() -> dict[str, Any]:
    """The JSON Schema of tenant.yaml, for editors.

    It allows exported keys without an effect. An editor marks a key that is not known; the tenant only lists it.
    """
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **TenantFile.model_json_schema(),
        "title": "tenant.yaml: an Auth0 tenant in the words of the Deploy CLI",
    }
