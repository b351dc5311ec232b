"""Which organization a request is for, and who may sign in there (Auth0: Organizations)."""

from __future__ import annotations

from collections.abc import Mapping

from ..errors import AccessDenied, AuthorizationError, InvalidRequest
from ..explanations import Case
from ..tenant.model import Client, ClientGrant, Organization, Tenant, User

ID_PREFIX = "org_"
NOT_ALLOWED = "parameter organization is not allowed for this client"
REQUIRED = "parameter organization is required for this client"
NOT_AN_ID = "authorization request parameter organization must be an organization id"


def requested_organization(tenant: Tenant, client: Client, parameters: Mapping[str, str]) -> str | None:
    """The id of the organization that a request to /authorize names; None if it names none.

    AuthorizationError if the client may not use organizations, if there is no such organization or if it denies the
    client. Every invitation is refused, because the offline tenant sends none.
    """
    sent = parameters.get("organization")
    if sent is None:
        return None
    if client.organization_usage == "deny":
        case = Case("organization_not_allowed", client=client.name)
        raise AuthorizationError("invalid_request", NOT_ALLOWED, case)
    organization = _named(tenant, sent)
    if organization is None:
        raise _unknown(tenant, sent)
    check_usable(tenant, client, organization)
    if "invitation" in parameters:
        description = "invitation not found or already used"
        raise AuthorizationError("invalid_request", description, Case("invitation_unknown"))
    return organization.org_id


def placeholder_name(tenant: Tenant, client: Client, sent: str | None) -> str | None:
    """The name for `{organization_name}` in a callback: that of the organization in the request.

    The client must be for organizations (Auth0: Subdomain URL Placeholders).
    """
    organization = _named(tenant, sent) if sent is not None and client.organization_usage != "deny" else None
    return organization.name if organization is not None else None


def organization_by_name(tenant: Tenant, name: str) -> Organization | None:
    wanted = name.strip().casefold()
    return next((each for each in tenant.organizations.values() if each.name == wanted), None)


def check_usable(tenant: Tenant, client: Client, organization: Organization) -> None:
    """AuthorizationError if users of the client cannot sign in to the organization."""
    if client.strict and not organization.third_party_access:
        raise AuthorizationError(
            "invalid_request",
            f"parameter organization is invalid: {organization.org_id}",
            Case("organization_third_party", client=client.name, organization=organization.name),
            guess="organization_third_party",
        )
    if not any(each.name in organization.connections for each in tenant.usable_connections(client)):
        database = next(iter(tenant.connections), "Username-Password-Authentication")
        raise AuthorizationError(
            "invalid_request",
            "no connections enabled for the organization",
            Case("organization_without_connection", organization=organization.name, database=database),
            guess="organization_connections",
        )


def check_grant(client: Client, grant_type: str) -> None:
    """InvalidRequest if the client uses organizations: these grants cannot (Auth0: How Auth0 Organizations Work)."""
    if client.organization_usage != "deny":
        raise InvalidRequest(
            f"Grant type '{grant_type}' is not compatible with organizations",
            guess="organization_grant",
            why=f"The client has organization_usage: {client.organization_usage}. Only /authorize and "
            "client_credentials know organizations.",
        )


def joins_at_sign_in(tenant: Tenant, client: Client, organization: Organization) -> bool:
    """Whether a user becomes a member by signing in (Auth0: Grant Just-In-Time Membership)."""
    return any(organization.connections.get(each.name, False) for each in tenant.usable_connections(client))


def not_a_member(user: User, organization: Organization) -> str:
    return f"user {user.user_id} is not part of the {organization.org_id} organization"


def organization_for_machine(
    tenant: Tenant, client: Client, grant: ClientGrant, sent: str | None
) -> Organization | None:
    """The organization of a client_credentials request (Auth0: Machine-to-Machine Access for Organizations).

    InvalidRequest or AccessDenied if the client grant does not allow it, or requires another.
    """
    if grant.organization_usage == "require":
        sent = sent or client.default_organization
    if sent is None:
        if grant.organization_usage != "require":
            return None
        raise InvalidRequest(
            REQUIRED, guess="machine_organization", why="The client grant has organization_usage: require."
        )
    if grant.organization_usage == "deny":
        raise InvalidRequest(
            NOT_ALLOWED, guess="machine_organization", why="The client grant has organization_usage: deny, the default."
        )
    organization = _named(tenant, sent)
    if organization is None:
        raise InvalidRequest(
            f"parameter organization is invalid: {sent}",
            guess="machine_organization",
            why="There is no such organization, or it is named although the tenant allows only ids.",
        )
    if client.name not in organization.client_grants and not (grant.any_organization and not client.strict):
        raise AccessDenied(
            f"Client is not authorized to access the organization {organization.org_id}",
            guess="machine_organization",
            why="The organization has no client grant of this client, and the grant is not for any organization.",
        )
    return organization


def _named(tenant: Tenant, sent: str) -> Organization | None:
    """The organization with this id; also by its name, if the tenant allows names."""
    if sent in tenant.organizations or not tenant.settings.allow_organization_name_in_authentication_api:
        return tenant.organizations.get(sent)
    return organization_by_name(tenant, sent)


def _unknown(tenant: Tenant, sent: str) -> AuthorizationError:
    known = tuple(f"{each.org_id} ({each.name})" for each in tenant.organizations.values())
    if not sent.startswith(ID_PREFIX) and not tenant.settings.allow_organization_name_in_authentication_api:
        return AuthorizationError("invalid_request", NOT_AN_ID, Case("organization_by_name", sent=sent))
    description = f"parameter organization is invalid: {sent}"
    return AuthorizationError(
        "invalid_request", description, Case("organization_unknown", sent=sent, organizations=known)
    )
