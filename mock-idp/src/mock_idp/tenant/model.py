"""The tenant's objects as requests use them: APIs, clients, grants, roles, connections, users."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Any, Literal
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

from ..formats.origins import has_placeholder, matches, origin_of, origins
from .passwords import PasswordPolicy

Dialect = Literal["access_token", "access_token_authz", "rfc9068_profile", "rfc9068_profile_authz"]
UserPolicy = Literal["allow_all", "deny_all", "require_client_grant"]
ClientPolicy = Literal["deny_all", "require_client_grant"]
SubjectType = Literal["user", "client"]
OrganizationUsage = Literal["deny", "allow", "require"]
OrganizationPrompt = Literal["no_prompt", "pre_login_prompt", "post_login_prompt"]

GRANT_DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
# What Auth0's discovery document lists. The grant types and their order are known only from descriptions (?).
GRANT_TYPES = (
    "client_credentials",
    "authorization_code",
    "refresh_token",
    "password",
    "implicit",
    GRANT_DEVICE,
    "urn:ietf:params:oauth:grant-type:token-exchange",
    "http://auth0.com/oauth/grant-type/password-realm",
    "http://auth0.com/oauth/grant-type/passwordless/otp",
    "http://auth0.com/oauth/grant-type/mfa-oob",
    "http://auth0.com/oauth/grant-type/mfa-otp",
    "http://auth0.com/oauth/grant-type/mfa-recovery-code",
    "urn:ietf:params:oauth:grant-type:jwt-bearer",
)
RESPONSE_TYPES = (
    *("code", "token", "id_token", "code token", "code id_token", "token id_token", "code token id_token"),
)
# The OpenID Connect scopes of Auth0's discovery document, without `openid` and `offline_access`.
PROFILE_SCOPES = (
    "profile",
    "name",
    "given_name",
    "family_name",
    "nickname",
    "email",
    "email_verified",
    "picture",
    "created_at",
    "identities",
    "phone",
    "address",
)
OIDC_SCOPES = frozenset({"openid", *PROFILE_SCOPES})
# The Management API's identifier is the issuer followed by this path. Files may use the domain of a real tenant.
MANAGEMENT_PATH = "api/v2/"
# The scopes of the endpoints that the offline tenant has.
_MANAGED = (
    *("clients", "client_grants", "resource_servers", "roles", "connections", "users"),
    *("organizations", "organization_connections"),
)
_OTHER_SCOPES = (
    *("read:client_keys", "update:client_keys", "read:tenant_settings", "update:tenant_settings"),
    *("read:signing_keys", "create:signing_keys", "update:signing_keys"),
    *("read:role_members", "create:role_members", "delete:role_members", "read:actions"),
    *("read:logs", "read:logs_users", "read:attack_protection", "update:attack_protection"),
)
_WITHOUT_UPDATE = ("organization_members", "organization_member_roles", "organization_client_grants")
MANAGEMENT_SCOPES = (
    *(f"{action}:{name}" for name in _MANAGED for action in ("read", "create", "update", "delete")),
    *(f"{action}:{name}" for name in _WITHOUT_UPDATE for action in ("read", "create", "delete")),
    *_OTHER_SCOPES,
)


@dataclass(frozen=True)
class Api:
    """A resource server. `scopes` maps a permission to its description; `token_lifetime` is in seconds."""

    identifier: str
    name: str
    signing_alg: Literal["RS256", "HS256", "PS256"]
    signing_secret: str = field(repr=False)
    token_dialect: Dialect
    token_lifetime: int
    enforce_policies: bool
    allow_offline_access: bool
    skip_consent: bool
    user_policy: UserPolicy
    client_policy: ClientPolicy
    scopes: Mapping[str, str]
    proof_required_for: Literal["nobody", "public_clients", "all_clients"] = "nobody"

    @property
    def adds_permissions(self) -> bool:
        """Whether access tokens have `permissions`: an _authz dialect with RBAC on (Auth0: Enable RBAC)."""
        return self.enforce_policies and self.token_dialect.endswith("_authz")

    def requires_proof_of(self, client: Client) -> bool:
        """Whether the client can get bound tokens (DPoP, mTLS) only (Auth0: Configure Sender Constraining)."""
        public = client.auth_method == "none"
        return self.proof_required_for == "all_clients" or (public and self.proof_required_for == "public_clients")


@dataclass(frozen=True)
class RefreshPolicy:
    """The lifetime of a client's refresh tokens (Auth0: Refresh Token Expiration). None is no limit.

    All times are in seconds. A rotated token is still accepted for `leeway`; an unused one expires after `idle`.
    """

    rotates: bool = False
    leeway: int = 0
    lifetime: int | None = None
    idle: int | None = None


@dataclass(frozen=True)
class PublicKey:
    """The public key, as PEM, of a client that signs assertions."""

    pem: str
    alg: Literal["RS256", "RS384", "PS256"] = "RS256"
    kid: str | None = None


@dataclass(frozen=True)
class Client:
    """An application. A `strict` one is a third-party application under Auth0's security controls of April 2026.

    `registration` is its origin: the tenant file, Dynamic Client Registration, a metadata document, or the management
    clients of offline.yaml.
    """

    client_id: str
    name: str
    secret: str = field(repr=False)
    app_type: str
    grant_types: frozenset[str]
    auth_method: str
    first_party: bool = True
    strict: bool = False
    callbacks: tuple[str, ...] = ()
    logout_urls: tuple[str, ...] = ()
    allowed_origins: tuple[str, ...] = ()
    web_origins: tuple[str, ...] = ()
    redirection_policy: Literal["allow_always", "open_redirect_protection"] = "allow_always"
    id_token_alg: str = "RS256"  # noqa: S105 - an algorithm
    id_token_lifetime: int = 36000
    refresh: RefreshPolicy = RefreshPolicy()
    # By API: the scopes that a refresh adds or allows (Auth0: Multi-Resource Refresh Token).
    refresh_apis: Mapping[str, frozenset[str]] = field(default_factory=dict)
    public_keys: tuple[PublicKey, ...] = ()
    exchanges_on_behalf: bool = False
    resource_server_identifier: str | None = None
    skip_confirmation: bool | None = None
    trusts_ip_header: bool = False
    requires_par: bool = False
    par_lifetime: int = 30  # in seconds
    requires_proof: bool = False
    organization_usage: OrganizationUsage = "deny"
    organization_prompt: OrganizationPrompt = "no_prompt"
    default_organization: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    registration: Literal["file", "dcr", "cimd", "management"] = "file"

    @property
    def shows_errors(self) -> bool:
        """Whether errors are shown on a page of the tenant and not sent to the callback."""
        return self.redirection_policy == "open_redirect_protection"

    def allows_origin(self, origin: str) -> bool:
        """Whether a page of this origin may read the tenant's answers to this client.

        The origins of the callbacks are allowed (Auth0: Application Settings). An entry of the two lists must be an
        origin, without a path.
        """
        own = [origin_of(url) or "" for url in self.callbacks]
        return self.lists(origin, (*origins(self.allowed_origins), *origins(self.web_origins), *own))

    def allows_window(self, origin: str) -> bool:
        """Whether a window of this origin may get the answer to a sign-in (Auth0: Configure Silent Authentication)."""
        return self.lists(origin, origins(self.web_origins))

    def lists(self, url: str, entries: Iterable[str], organization: str | None = None) -> bool:
        """Whether one of the entries is this URL. `organization` is the name for a placeholder.

        A third-party application with enhanced security controls has no placeholders (Auth0: Subdomain URL
        Placeholders).
        """
        if self.strict:
            return not has_placeholder(url) and url in entries
        return any(matches(url, entry, organization) for entry in entries)

    def secret_matches(self, secret: str) -> bool:
        return hmac.compare_digest(self.secret.encode(), secret.encode())


@dataclass(frozen=True)
class ClientGrant:
    """The scopes of an API that a client may request. `client_id` is None for the grant of all third-party clients."""

    client_id: str | None
    audience: str
    subject_type: SubjectType
    scopes: tuple[str, ...]
    all_scopes: bool = False
    organization_usage: OrganizationUsage = "deny"
    any_organization: bool = False

    def covers(self, api: Api) -> bool:
        """Whether the grant is for this API. Management API identifiers of all tenants count as equal."""
        return self.audience == api.identifier or (is_management(self.audience) and is_management(api.identifier))


def is_management(identifier: str) -> bool:
    """Whether the identifier is that of a Management API, of this tenant or another."""
    return identifier.endswith(f"/{MANAGEMENT_PATH}")


def management_identifier(issuer: str) -> str:
    """The identifier of the Management API under this issuer."""
    return f"{issuer}{MANAGEMENT_PATH}"


def management_api(issuer: str) -> Api:
    """The Management API. Its tokens are valid for a day. Only machines with a client grant get one."""
    return Api(
        identifier=management_identifier(issuer),
        name="Auth0 Management API",
        signing_alg="RS256",
        signing_secret="",
        token_dialect="access_token",  # noqa: S106 - a dialect
        token_lifetime=86400,
        enforce_policies=False,
        allow_offline_access=False,
        skip_consent=True,
        user_policy="deny_all",
        client_policy="require_client_grant",
        scopes=dict.fromkeys(MANAGEMENT_SCOPES, ""),
    )


@dataclass(frozen=True)
class Role:
    """A named set of permissions, by API identifier."""

    name: str
    permissions: Mapping[str, frozenset[str]]


@dataclass(frozen=True)
class Connection:
    """A user database. `signup` and `changes_password` say whether people may do so themselves."""

    name: str
    domain_level: bool
    enabled_clients: frozenset[str]
    password_policy: PasswordPolicy = field(default_factory=PasswordPolicy)
    signup: bool = True
    changes_password: bool = True
    brute_force: bool = True


@dataclass(frozen=True)
class BruteForceProtection:
    """The limit of wrong passwords in a row (Auth0: Brute-Force Protection). The defaults are Auth0's.

    Without `blocks` the tenant only logs. Senders in `allowlist` (addresses or CIDR ranges) are not counted.
    """

    enabled: bool = True
    blocks: bool = True
    per_ip: bool = True
    max_attempts: int = 10
    allowlist: tuple[str, ...] = ()

    def covers(self, ip: str) -> bool:
        """Whether attempts from this IP address count."""
        if not self.enabled:
            return False
        try:
            sender = ip_address(ip)
        except ValueError:
            return True
        return not any(sender in ip_network(entry, strict=False) for entry in self.allowlist)


def connection_id(name: str) -> str:
    """The id of a connection. It is the same at every start."""
    text = "\n".join(("offline tenant", "connection", name))
    return f"con_{hashlib.sha256(text.encode()).hexdigest()[:16]}"


@dataclass(frozen=True)
class Action:
    """A deployed Action: code that runs during a sign-in (Auth0: Actions)."""

    name: str
    code: str = field(repr=False)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Organization:
    """A customer whose members sign in together (Auth0: Organizations).

    `connections` maps the name of a connection to whether its users become members at their first sign-in. `members`
    maps an email in lower case to the roles that the member has in this organization only. `client_grants` are the
    names of the applications that may get tokens for it by client credentials.
    """

    org_id: str
    name: str
    display_name: str
    metadata: Mapping[str, Any] = field(default_factory=dict)
    connections: Mapping[str, bool] = field(default_factory=dict)
    client_grants: frozenset[str] = frozenset()
    members: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    third_party_access: bool = False

    def has_member(self, user: User) -> bool:
        return user.email.casefold() in self.members


class User(BaseModel):
    """A person who can sign in, as in offline.yaml. Without a `user_id`, one is derived from the email."""

    model_config = ConfigDict(extra="forbid", strict=True, defer_build=True)

    email: str = Field(pattern=r"^[^@\s]+@[^@\s]+$")
    user_id: str = Field(min_length=1, pattern=r"^[\x21-\x7E]+$")
    password: str = Field(min_length=1, repr=False)
    email_verified: bool = True
    blocked: bool = False
    name: str | None = None
    given_name: str | None = None
    family_name: str | None = None
    nickname: str | None = None
    picture: str | None = None
    user_metadata: dict[str, Any] | None = None
    app_metadata: dict[str, Any] | None = None
    roles: list[str] = []

    @model_validator(mode="before")
    @classmethod
    def _has_an_id(cls, values: Any) -> Any:  # noqa: ANN401 - whatever YAML contains
        """The id is the same at every start, so that what was stored under it is found again."""
        if not isinstance(values, dict) or not isinstance(values.get("email"), str):
            return values
        digest = hashlib.sha256(f"offline tenant, user, {values['email'].casefold()}".encode()).hexdigest()
        return {"user_id": f"auth0|{digest[:24]}", **values}

    @property
    def stated_profile(self) -> dict[str, str]:
        """The OpenID Connect claims that the file has for the user, by name."""
        names = {"name", "given_name", "family_name", "nickname", "picture"}
        return self.model_dump(include=names, exclude_none=True)

    @property
    def profile(self) -> dict[str, str]:
        """The same with Auth0's defaults: the e-mail, its local part, and a picture of Gravatar's or of initials."""
        local = self.email.partition("@")[0]
        defaults = {"nickname": local, "name": self.email, "picture": self._avatar(local)}
        return {**defaults, **self.stated_profile}

    def _avatar(self, local: str) -> str:
        """The address of a picture (observed: a recording of /userinfo). The initials of a name are a guess."""
        words = re.findall(r"[a-z0-9]+", (self.name or "").lower())
        initials = words[0][0] + words[-1][0] if len(words) > 1 else local[:2].lower()
        digest = hashlib.md5(self.email.strip().lower().encode(), usedforsecurity=False).hexdigest()
        fallback = quote(f"https://cdn.auth0.com/avatars/{quote(initials)}.png", safe="")
        return f"https://s.gravatar.com/avatar/{digest}?s=480&r=pg&d={fallback}"

    def password_matches(self, password: str) -> bool:
        return hmac.compare_digest(self.password.encode(), password.encode())


class StatedClaims(BaseModel):
    """Custom claims for the two kinds of tokens, as in offline.yaml."""

    model_config = ConfigDict(extra="forbid", strict=True, defer_build=True)

    access_token: dict[str, JsonValue] = {}
    id_token: dict[str, JsonValue] = {}


@dataclass(frozen=True)
class ClaimsByHolder:
    """The custom claims of offline.yaml: by the user's email in lower case, the client's name, the API's identifier."""

    users: Mapping[str, StatedClaims] = field(default_factory=dict)
    clients: Mapping[str, StatedClaims] = field(default_factory=dict)
    apis: Mapping[str, StatedClaims] = field(default_factory=dict)


@dataclass(frozen=True)
class TenantSettings:
    """The tenant settings that change what the tenant answers; the names are Auth0's."""

    friendly_name: str = "Offline tenant"
    resource_parameter_profile: Literal["audience", "compatibility"] = "audience"
    default_audience: str | None = None
    default_directory: str | None = None
    authorization_response_iss_parameter_supported: bool = False
    pushed_authorization_requests_supported: bool = False
    require_pushed_authorization_requests: bool = False
    skip_non_verifiable_callback_uri_confirmation_prompt: bool = False
    use_scope_descriptions_for_consent: bool = False
    rp_logout_end_session_endpoint_discovery: bool = True
    allowed_logout_urls: tuple[str, ...] = ()
    allow_organization_name_in_authentication_api: bool = False
    session_lifetime: float = 168.0
    revoke_refresh_token_grant: bool = False
    enable_public_signup_user_exists_error: bool = False
    enable_dynamic_client_registration: bool = False
    dynamic_client_registration_security_mode: Literal["strict", "permissive"] = "strict"
    client_id_metadata_document_supported: bool = False
    client_id_metadata_document_dynamic_registration_supported: bool = False


@dataclass
class Tenant:
    """The configuration of the tenant, by the identifiers that requests use."""

    settings: TenantSettings
    apis: dict[str, Api] = field(default_factory=dict)
    clients: dict[str, Client] = field(default_factory=dict)
    client_grants: list[ClientGrant] = field(default_factory=list)
    roles: dict[str, Role] = field(default_factory=dict)
    connections: dict[str, Connection] = field(default_factory=dict)
    users: dict[str, User] = field(default_factory=dict)
    brute_force: BruteForceProtection = BruteForceProtection()
    claims: ClaimsByHolder = ClaimsByHolder()
    organizations: dict[str, Organization] = field(default_factory=dict)
    # By trigger, in the order in which they run.
    actions: dict[str, tuple[Action, ...]] = field(default_factory=dict)

    def user_by_email(self, email: str) -> User | None:
        wanted = email.strip().casefold()
        return next((user for user in self.users.values() if user.email.casefold() == wanted), None)

    @property
    def action_names(self) -> list[str]:
        """The Actions that the triggers run, in their order."""
        return list(dict.fromkeys(action.name for actions in self.actions.values() for action in actions))

    def organizations_of(self, user: User) -> list[Organization]:
        return [each for each in self.organizations.values() if each.has_member(user)]

    def role_names(self, user: User, organization: Organization | None = None) -> tuple[str, ...]:
        """The user's roles. In an organization those that the user has there are added."""
        added = organization.members.get(user.email.casefold(), ()) if organization else ()
        return tuple(dict.fromkeys((*user.roles, *added)))

    def permissions(self, user: User, api: Api, organization: Organization | None = None) -> tuple[str, ...]:
        """The permissions for an API that the user has through roles, in the API's order."""
        held = {
            permission
            for name in self.role_names(user, organization)
            if name in self.roles
            for permission in self.roles[name].permissions.get(api.identifier, ())
        }
        return tuple(scope for scope in api.scopes if scope in held)

    def client_grant(self, client: Client, api: Api, subject_type: SubjectType) -> ClientGrant | None:
        """The client's own grant; otherwise the default of third-party clients (Auth0: Client Grants)."""
        grants = [g for g in self.client_grants if g.covers(api) and g.subject_type == subject_type]
        own = next((g for g in grants if g.client_id == client.client_id), None)
        if own is not None or client.first_party:
            return own
        return next((g for g in grants if g.client_id is None), None)

    def usable_connections(self, client: Client) -> list[Connection]:
        """For a first-party client the connections enabled for it, for a third-party client the domain-level ones.

        Source: Auth0, Promote Connections to Domain Level.
        """
        if client.first_party:
            return [c for c in self.connections.values() if client.name in c.enabled_clients]
        return [c for c in self.connections.values() if c.domain_level]
