"""The section `clients` of tenant.yaml."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from . import exported_keys
from .section import Section

GRANT_DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
# What a strict third-party application may have (Auth0, Security Controls for Third-Party Applications).
STRICT_GRANTS = ("authorization_code", "refresh_token", "client_credentials")
APP_TYPE_GRANTS: dict[str, tuple[str, ...]] = {
    "regular_web": ("authorization_code", "implicit", "refresh_token", "client_credentials"),
    "spa": ("authorization_code", "implicit", "refresh_token"),
    "native": ("authorization_code", "implicit", "refresh_token"),
    "non_interactive": ("client_credentials",),
    "resource_server": (),
}
PUBLIC_APP_TYPES = ("spa", "native")


class JwtConfigurationSection(Section):
    exported = frozenset({"secret_encoded", "scopes"})

    alg: Literal["RS256", "HS256", "PS256"] = "RS256"
    lifetime_in_seconds: int = Field(default=36000, gt=0)


class RefreshTokenSection(Section):
    """Defaults as in Auth0's Management API: tokens neither rotate nor expire."""

    exported = frozenset({"policies"})

    rotation_type: Literal["rotating", "non-rotating"] | None = None
    expiration_type: Literal["expiring", "non-expiring"] | None = None
    leeway: int = Field(default=0, ge=0, le=60)
    token_lifetime: int = Field(default=2592000, gt=0, le=157788000)
    infinite_token_lifetime: bool = False
    idle_token_lifetime: int | None = Field(default=None, gt=0)
    infinite_idle_token_lifetime: bool = False


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


ExchangeProfile = Literal["custom_authentication", "on_behalf_of_token_exchange"]


class TokenExchangeSection(Section):
    allow_any_profile_of_type: list[Literal["custom_authentication", "on_behalf_of_token_exchange"]] = Field(
        default_factory=list
    )


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
    grant_types: list[str] | None = None
    token_endpoint_auth_method: Literal["client_secret_post", "client_secret_basic", "none"] | None = None
    jwt_configuration: JwtConfigurationSection = JwtConfigurationSection()
    refresh_token: RefreshTokenSection = RefreshTokenSection()
    client_authentication_methods: AuthenticationMethodsSection = AuthenticationMethodsSection()
    token_exchange: TokenExchangeSection = TokenExchangeSection()
    resource_server_identifier: str | None = None
    skip_non_verifiable_callback_uri_confirmation_prompt: bool | None = None

    @property
    def is_strict(self) -> bool:
        return not self.is_first_party and self.third_party_security_mode == "strict"

    @model_validator(mode="after")
    def _strict_clients_are_restricted(self) -> ClientSection:
        if self.external_client_id is not None and not self.is_strict:
            raise ValueError("a client with external_client_id must have is_first_party: false and be strict")
        if not self.is_strict:
            return self
        extra = [grant for grant in self.grant_types or () if grant not in STRICT_GRANTS]
        if extra:
            raise ValueError(f"a strict third-party client cannot have the grant types {', '.join(extra)}")
        if self.jwt_configuration.alg != "RS256":
            raise ValueError("a strict third-party client must have jwt_configuration.alg RS256")
        return self
