from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from .guesses import GUESSES


class Answer(BaseModel):
    """A replacement for a guessed answer: an HTTP status, an error code, a description, or some of them."""

    model_config = ConfigDict(extra="forbid", strict=True, defer_build=True)

    status: int | None = Field(default=None, ge=200, le=599)
    error: str | None = Field(default=None, pattern=r"^[\x21\x23-\x5B\x5D-\x7E]+$")
    description: str | None = None


class Behaviours(BaseModel):
    """Switches for behaviour of Auth0 that is not documented: `behaviours:` in offline.yaml.

    Each default is the most likely behaviour, with its certainty (S secondary, ? unknown). BEHAVIOURS.md has the table.
    """

    model_config = ConfigDict(extra="forbid", strict=True, defer_build=True)

    answers: dict[str, Answer] = {}
    """Replacements for guessed answers, by their names in BEHAVIOURS.md."""

    jwks_cache_control: str = "public, max-age=15, stale-while-revalidate=15, stale-if-error=86400"
    """(?) Cache-Control of the JWKS. Auth0's staff recommend caching; the exact value is not established.
    Source: Auth0 community, topics 59407 and 17654."""

    discovery_document: Literal["current", "older"] = "current"
    """(S) `current`: discovery lists `none` and grant_types_supported, as in July 2026. `older`: it lists neither.
    Source: recorded documents of different dates."""

    registration_status: Literal[201, 200] = 201
    """(S) HTTP status of a dynamic registration. RFC 7591 says 201, the API reference 200.
    Source: RFC 7591 section 3.2.1; ref."""

    loopback_redirect: Literal["documents", "exact", "any_port"] = "documents"
    """(?) Which loopback callbacks match on any port (RFC 8252 section 7.3). `documents`: those without a port in a
    client metadata document. `exact`: none. `any_port`: all. Auth0 refused another port in 2026-04 and 2026-09; whether
    it does so for a document without a port and dynamic registration is not established, and Claude Code, Codex and
    others need it. Source: github/copilot-cli #4793; anthropics/claude-code #37747."""

    omitted_redirect_uri: bool = True
    """(S) Whether a client with one callback may omit redirect_uri.
    Source: RFC 6749 section 3.1.2.3."""

    consent_on_localhost: bool = True
    """(S) Whether a first-party client with a loopback callback needs consent although its API skips consent.
    The API's setting is for *verifiable* clients; the newer documentation mentions only a confirmation.
    Source: docs, *User Consent and Third-Party Applications* and *Measures Against App Impersonation*."""

    any_client_secret_method: bool = True
    """(S) Whether a client registered for client_secret_post may use client_secret_basic, and the reverse.
    Auth0's reference allows HTTP Basic for all grants, and Auth0's SDK always uses it. Source: ref; *api-py*."""

    assertion_audience_token_endpoint: bool = False
    """(?) Whether the `aud` of a private_key_jwt may be the token endpoint. The documentation names the issuer.
    Source: docs, *Authenticate with Private Key JWT*."""

    resource_for_machines: bool = True
    """(S) Whether client_credentials accepts `resource` under the compatibility profile, as other grants do.
    Source: inferred from docs, *Resource Parameter Compatibility Profile*."""

    machine_permissions: bool = True
    """(S) Whether a machine's token has `permissions` in the _authz dialects with RBAC.
    Source: inferred from docs, *Access Token Profiles*."""

    opaque_lifetime: int = Field(default=86400, gt=0)
    """(S) Lifetime in seconds of an access token without an API.
    Source: docs, *Access Tokens*, has the lifetime for /userinfo; the value is inferred."""

    scope_in_answer: Literal["always", "when_different"] = "always"
    """(S) Whether the token answer has `scope` if it was granted as requested.
    Source: inferred from samples and RFC 6749 section 5.1."""

    userinfo_error: Literal["json", "text"] = "json"
    """(S) Whether /userinfo refuses a token with JSON, as documented, or with the text `Unauthorized` (reported).
    Source: ref; reports."""

    code_reuse_ends_tokens: bool = False
    """(?) Whether a code that is sent twice ends its refresh token (RFC 6749 section 4.1.2: SHOULD).
    Source: no observation; the RFC."""

    metadata_copy_lifetime: int = Field(default=300, ge=0)
    """(?) Seconds until the metadata document of a client registered on first use is fetched again.
    Source: our own guess."""

    @field_validator("answers")
    @classmethod
    def _answers_are_guesses(cls, value: dict[str, Answer]) -> dict[str, Answer]:
        for name in value:
            if name not in GUESSES:
                raise ValueError(f"there is no guessed answer {name!r}; there are: {', '.join(GUESSES)}")
        return value
