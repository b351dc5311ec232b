from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from .guesses import GUESSES


class Answer(BaseModel):
    """What to answer in place of a guess: an HTTP status, an error code, a description, or some of them."""

    model_config = ConfigDict(extra="forbid", strict=True)

    status: int | None = Field(default=None, ge=200, le=599)
    error: str | None = Field(default=None, pattern=r"^[\x21\x23-\x5B\x5D-\x7E]+$")
    description: str | None = None


class Behaviours(BaseModel):
    """Behaviour of Auth0 that is not documented, as switches: `behaviours:` in offline.yaml.

    The defaults are the most likely; each says how sure it is (S secondary, ? unknown). The table is BEHAVIOURS.md.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    answers: dict[str, Answer] = {}
    """Answers to give in place of those that are guesses, by their names in BEHAVIOURS.md."""

    jwks_cache_control: str = "public, max-age=15, stale-while-revalidate=15, stale-if-error=86400"
    """(?) Cache-Control of the JWKS. Staff say: cache it; the exact value is not established."""

    discovery_document: Literal["current", "older"] = "current"
    """(S) Whether discovery lists `none` and grant_types_supported, as in July 2026, or neither, as before."""

    registration_status: Literal[201, 200] = 201
    """(S) HTTP status of a dynamic registration. RFC 7591 says 201, the API reference 200."""

    loopback_redirect: Literal["exact", "any_port"] = "exact"
    """(?) Whether a registered loopback callback matches on any port, as RFC 8252 section 7.3 asks."""

    omitted_redirect_uri: bool = True
    """(S) Whether a client with one callback may leave redirect_uri out."""

    consent_on_localhost: bool = True
    """(S) Whether a first-party client with a loopback callback needs consent though its API may skip it.
    The API's setting is for *verifiable* clients; the newer documentation speaks of a confirmation only."""

    any_client_secret_method: bool = True
    """(S) Whether a client registered for client_secret_post may use client_secret_basic, and the reverse.
    Auth0's reference allows HTTP Basic for all grants, and its own SDK uses it whatever the client's method is."""

    assertion_audience_token_endpoint: bool = False
    """(?) Whether the `aud` of a private_key_jwt may be the token endpoint. Documented is the issuer."""

    resource_for_machines: bool = True
    """(S) Whether client_credentials takes `resource` under the compatibility profile. Documented for other grants."""

    machine_permissions: bool = True
    """(S) Whether a machine's token carries `permissions` in the _authz dialects with RBAC."""

    opaque_lifetime: int = Field(default=86400, gt=0)
    """(S) Seconds that an access token without an API lives."""

    scope_in_answer: Literal["always", "when_different"] = "always"
    """(S) Whether the token answer repeats a scope that was granted as requested."""

    userinfo_error: Literal["json", "text"] = "json"
    """(S) Whether /userinfo refuses a token with JSON, as documented, or the bare text `Unauthorized`, as some saw."""

    code_reuse_ends_tokens: bool = False
    """(?) Whether a code that comes twice ends the refresh token it gave (RFC 6749 section 4.1.2: SHOULD)."""

    metadata_copy_lifetime: int = Field(default=300, ge=0)
    """(?) Seconds for which a client metadata document that was registered on first use is not fetched again."""

    @field_validator("answers")
    @classmethod
    def _answers_are_guesses(cls, value: dict[str, Answer]) -> dict[str, Answer]:
        for name in value:
            if name not in GUESSES:
                raise ValueError(f"there is no guessed answer {name!r}; there are: {', '.join(GUESSES)}")
        return value
