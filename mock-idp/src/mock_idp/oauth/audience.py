"""Which API a request is for: `audience`, RFC 8707's `resource`, or the tenant's default.

Source: Auth0, Resource Parameter Compatibility Profile.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..errors import AuthorizationError
from ..explanations import Case
from ..formats.urls import compare
from ..tenant.model import Api, Client, ClientGrant, Tenant


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
            not_found_case(tenant, identifier),
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
            _no_grant(client, api),
            guess="third_party_without_grant" if client.strict else None,
        )
    return grant


def _only(resources: Sequence[str]) -> str:
    if len(set(resources)) > 1:
        case = Case("several_resources", sent=tuple(resources))
        description = "Only one resource can be requested"
        raise AuthorizationError("invalid_target", description, case, guess="several_resources")
    return resources[0]


def _no_grant(client: Client, api: Api) -> Case:
    code = "no_client_grant_third_party" if client.strict else "no_client_grant"
    if api.user_policy == "deny_all":
        code = "user_access_denied"
    return Case(code, client=client.name, api=api.identifier, api_name=api.name, scopes=tuple(api.scopes))


def not_found_case(tenant: Tenant, asked: str) -> Case:
    """Why there is no such API, with the nearest one that there is."""
    nearest = compare(asked, tenant.apis)
    if nearest is None or not nearest.is_slip:
        return Case("service_not_found", sent=asked, apis=tuple(tenant.apis))
    return Case("service_near_miss", sent=asked, nearest=nearest.nearest, difference=nearest.kinds)
