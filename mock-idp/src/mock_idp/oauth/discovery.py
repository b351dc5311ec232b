"""The tenant's metadata (OpenID Connect Discovery, RFC 8414) and its public keys. See BEHAVIOURS.md.

Auth0's document describes the tenant and no single client. Therefore the lists of values are Auth0's whole lists, also
with values that the offline tenant refuses. An endpoint is in the document only if the offline tenant has it.
"""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ..state.idp import Idp
from ..tenant.model import GRANT_TYPES, PROFILE_SCOPES, RESPONSE_TYPES
from ..web.request import idp_of, issuer_of

SCOPES = ("openid", "profile", "offline_access", *PROFILE_SCOPES[1:])
CLAIMS = (
    *("aud", "auth_time", "created_at", "email", "email_verified", "exp", "family_name", "given_name", "iat"),
    *("identities", "iss", "name", "nickname", "phone_number", "picture", "sub"),
)


async def metadata(request: Request) -> Response:
    """The metadata, which is the same at both well-known paths, as with Auth0."""
    return JSONResponse(metadata_document(idp_of(request), issuer_of(request)))


async def jwks(request: Request) -> Response:
    idp = idp_of(request)
    document = {"keys": [key.public_jwk for key in idp.keys.published()]}
    return JSONResponse(document, headers={"Cache-Control": idp.behaviours.jwks_cache_control})


def metadata_document(idp: Idp, issuer: str) -> dict[str, Any]:
    """Auth0's members in Auth0's order."""
    settings = idp.tenant.settings
    document: dict[str, Any] = {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}authorize",
        "token_endpoint": f"{issuer}oauth/token",
        "device_authorization_endpoint": f"{issuer}oauth/device/code",
        "userinfo_endpoint": f"{issuer}userinfo",
        "jwks_uri": f"{issuer}.well-known/jwks.json",
        # Always listed, also if registration is off, as in every public example of Auth0's document.
        "registration_endpoint": f"{issuer}oidc/register",
        "revocation_endpoint": f"{issuer}oauth/revoke",
        "scopes_supported": list(SCOPES),
        "response_types_supported": list(RESPONSE_TYPES),
        "code_challenge_methods_supported": ["S256", "plain"],
        "response_modes_supported": ["query", "fragment", "form_post"],
        "subject_types_supported": ["public"],
        "token_endpoint_auth_methods_supported": [
            "client_secret_basic",
            "client_secret_post",
            "private_key_jwt",
            "none",
        ],
        "token_endpoint_auth_signing_alg_values_supported": ["RS256", "RS384", "PS256"],
        "claims_supported": list(CLAIMS),
        "grant_types_supported": list(GRANT_TYPES),
        "request_uri_parameter_supported": False,
        "request_parameter_supported": False,
        "id_token_signing_alg_values_supported": ["HS256", "RS256", "PS256"],
    }
    if idp.behaviours.discovery_document == "older":
        del document["grant_types_supported"]
        document["token_endpoint_auth_methods_supported"].remove("none")
    if settings.rp_logout_end_session_endpoint_discovery:
        document["end_session_endpoint"] = f"{issuer}oidc/logout"
    if settings.authorization_response_iss_parameter_supported:
        document["authorization_response_iss_parameter_supported"] = True
    if settings.pushed_authorization_requests_supported:
        document["pushed_authorization_request_endpoint"] = f"{issuer}oauth/par"
        if settings.require_pushed_authorization_requests:
            document["require_pushed_authorization_requests"] = True
    if settings.client_id_metadata_document_supported:
        # The name is that of the draft. No public example of Auth0's document has the member (?).
        document["client_id_metadata_document_supported"] = True
    return document
