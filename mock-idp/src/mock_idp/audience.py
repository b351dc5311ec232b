"""Which API a request is for: `audience`, RFC 8707's `resource`, or the tenant's default.

Source: Auth0, Resource Parameter Compatibility Profile.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .errors import AuthorizationError
from .tenant import Api, Client, ClientGrant, Tenant

NEAR_MISS = (
    "Auth0 compares API identifiers byte by byte. The tenant has {near!r}, the request names {asked!r}: "
    "they differ in {difference}."
)


def requested_audience(tenant: Tenant, parameters: Mapping[str, str], resources: Sequence[str]) -> str | None:
    """The identifier asked for, or None. AuthorizationError when more than one resource is named."""
    if parameters.get("audience"):
        return parameters["audience"]
    if tenant.settings.resource_parameter_profile == "compatibility" and resources:
        return _only(resources)
    return tenant.settings.default_audience


def find_api(tenant: Tenant, identifier: str) -> Api:
    """The API with exactly this identifier. AuthorizationError `Service not found` otherwise."""
    api = tenant.apis.get(identifier)
    if api is None:
        raise AuthorizationError(
            "access_denied",
            f"Service not found: {identifier}",
            why=_explain(tenant, identifier),
            fix="Make the API's identifier and the audience or resource that the client sends the same string.",
        )
    return api


def user_grant(tenant: Tenant, client: Client, api: Api) -> ClientGrant | None:
    """The client grant that limits what the client may do for users; None where none is needed.

    AuthorizationError when the API's policy asks for a grant and the client has none (Auth0: API Access Policies).
    """
    if not client.strict and api.user_policy == "allow_all":
        return None
    grant = tenant.client_grant(client, api, "user")
    if api.user_policy == "deny_all" or grant is None:
        raise AuthorizationError(
            "unauthorized_client" if client.strict else "invalid_request",
            f'Client is not authorized to access resource server "{api.identifier}"',
            guess="third_party_without_grant" if client.strict else None,
            why=_why_no_grant(client, api),
            fix="Create a client grant for users (subject_type: user) between this client and the API; for all "
            "third-party clients at once, one with default_for: third_party_clients.",
        )
    return grant


def _only(resources: Sequence[str]) -> str:
    if len(set(resources)) > 1:
        # Auth0's answer to several resources is not established (?).
        raise AuthorizationError("invalid_target", "Only one resource can be requested", guess="several_resources")
    return resources[0]


def _why_no_grant(client: Client, api: Api) -> str:
    if api.user_policy == "deny_all":
        return "The API's policy for users is deny_all."
    if client.strict:
        return "A third-party client always needs a client grant, whatever the API's policy."
    return "The API's policy for users is require_client_grant, and this client has no such grant."


def _explain(tenant: Tenant, asked: str) -> str:
    for near in tenant.apis:
        difference = _difference(near, asked)
        if difference:
            return NEAR_MISS.format(near=near, asked=asked, difference=difference)
    return "The tenant has no API with this identifier."


def _difference(near: str, asked: str) -> str | None:
    if near.rstrip("/") == asked.rstrip("/"):
        return "the trailing slash"
    if near.partition("://")[2] == asked.partition("://")[2] and "://" in near:
        return "the scheme"
    if near.casefold() == asked.casefold():
        return "upper and lower case"
    return None
