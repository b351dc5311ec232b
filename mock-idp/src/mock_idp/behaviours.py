from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict


class Behaviours(BaseModel):
    """Answers of Auth0 that are not documented, as switches: `behaviours:` in offline.yaml.

    The defaults are the most likely answer; each says how sure it is (O observed, S secondary, ? unknown).
    """

    model_config = ConfigDict(extra="forbid", strict=True, use_attribute_docstrings=True)

    jwks_cache_control: str = "public, max-age=15, stale-while-revalidate=15, stale-if-error=86400"
    """(?) Cache-Control of the JWKS. Staff say: cache it; the exact value is not established."""

    invalid_grant_status: Literal[403, 400] = 403
    """(S) HTTP status of `invalid_grant`. Reports say 403, the API reference 400."""

    registration_status: Literal[201, 200] = 201
    """(S) HTTP status of a dynamic registration. RFC 7591 says 201, the API reference 200."""

    registration_off_status: Literal[403, 404] = 403
    """(?) HTTP status of a dynamic registration where the tenant does not allow it."""

    loopback_redirect: Literal["exact", "any_port"] = "exact"
    """(?) Whether a registered loopback callback matches on any port, as RFC 8252 section 7.3 asks."""

    consent_on_localhost: bool = True
    """(S) Whether a first-party client with a loopback callback needs consent though its API may skip it.
    The API's setting is for *verifiable* clients; the newer documentation speaks of a confirmation only."""

    callback_mismatch_status: Literal[403, 400] = 403
    """(?) HTTP status of the page `Callback URL mismatch.`"""

    client_authentication_error: Literal["access_denied", "invalid_client"] = "access_denied"
    """(S) Error of a wrong client secret: `access_denied`/`Unauthorized` in the field, `invalid_client` in the docs."""

    assertion_audience_token_endpoint: bool = False
    """(?) Whether the `aud` of a private_key_jwt may be the token endpoint. Documented is the issuer."""

    any_client_secret_method: bool = True
    """(S) Whether a client registered for client_secret_post may use client_secret_basic, and the reverse.
    Auth0's reference allows HTTP Basic for all grants, and its own SDK uses it whatever the client's method is."""
