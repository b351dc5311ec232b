"""Which API a request is for: `audience`, RFC 8707's `resource`, or the tenant's default.

Source: Auth0, Resource Parameter Compatibility Profile.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..errors import AuthorizationError
from ..explanations import Case
from ..formats.urls import compare
from ..tenant.model import Api, Client, ClientGrant, Tenant


def requested_audience(
    tenant: Tenant, client: Client, parameters: Mapping[str, str], resources: Sequence[str]
) -> str | None:
    """The identifier of the API that the request names; None if neither the request nor the tenant names one.

    AuthorizationError if there is no such API, if the client may not use it for users, or for several resources.
    """
    identifier = parameters.get("audience")
    if identifier is None and tenant.settings.resource_parameter_profile == "compatibility" and resources:
        identifier = _single_resource(resources)
    identifier = identifier or tenant.settings.default_audience
    if identifier is None:
        return None
    if identifier not in tenant.apis:
        case = not_found_case(tenant, identifier)
        raise AuthorizationError("access_denied", f"Service not found: {identifier}", case)
    user_grant(tenant, client, tenant.apis[identifier])
    return identifier


def user_grant(tenant: Tenant, client: Client, api: Api) -> ClientGrant | None:
    """The client grant that limits what the client may do for users; None if the API needs no grant.

    AuthorizationError if the API's policy requires a grant and the client has none (Auth0: API Access Policies).
    """
    if not client.strict and api.user_policy == "allow_all":
        return None
    grant = tenant.client_grant(client, api, "user")
    if api.user_policy == "deny_all" or grant is None:
        code = "no_client_grant_third_party" if client.strict else "no_client_grant"
        if api.user_policy == "deny_all":
            code = "user_access_denied"
        raise AuthorizationError(
            "unauthorized_client" if client.strict else "invalid_request",
            f'Client is not authorized to access resource server "{api.identifier}"',
            Case(code, client=client.name, api=api.identifier, api_name=api.name, scopes=tuple(api.scopes)),
            guess="third_party_without_grant" if client.strict else None,
        )
    return grant


def not_found_case(tenant: Tenant, identifier: str) -> Case:
    """The explanation for an unknown API. It names the API whose identifier is most similar."""
    nearest = compare(identifier, tenant.apis)
    if nearest is None or not nearest.is_similar:
        return Case("service_not_found", sent=identifier, apis=tuple(tenant.apis))
    return Case("service_near_miss", sent=identifier, nearest=nearest.nearest, difference=nearest.kinds)


def _single_resource(resources: Sequence[str]) -> str:
    if len(set(resources)) > 1:
        case = Case("several_resources", sent=tuple(resources))
        description = "Only one resource can be requested"
        raise AuthorizationError("invalid_target", description, case, guess="several_resources")
    return resources[0]
