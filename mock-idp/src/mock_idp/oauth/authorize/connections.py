"""The connections of a sign-in: those that the client has, and the one that the request names."""

from __future__ import annotations

from collections.abc import Mapping

from ...errors import AuthorizationError
from ...explanations import Case
from ...state.idp import Idp
from ...state.store import AuthorizationRequest
from ...tenant.model import Client, Connection


def requested_connection(
    idp: Idp, client: Client, parameters: Mapping[str, str], organization: str | None
) -> str | None:
    """The name of the connection with which the person must sign in; None if the request names none.

    AuthorizationError if the client has no connection at all, or not this one. `organization` is an id: its users sign
    in with its own connections.
    """
    usable = idp.tenant.usable_connections(client)
    if not usable:
        raise _none_enabled(idp, client)
    name = parameters.get("connection")
    if name is None:
        return None
    if name in _unavailable(idp):
        raise AuthorizationError(
            "invalid_request",
            f"The offline tenant does not have the connection {name}, which is no database.",
            Case("connection_unavailable", sent=name, connections=tuple(idp.tenant.connections)),
        )
    if name not in idp.tenant.connections:
        case = Case("connection_unknown", sent=name, connections=tuple(idp.tenant.connections))
        raise AuthorizationError("invalid_request", "the connection was not found", case)
    if name not in [each.name for each in _of_organization(idp, usable, organization)]:
        raise AuthorizationError(
            "invalid_request",
            "the connection is not enabled",
            Case("connection_not_enabled", client=client.name, database=name),
            guess="connection_not_enabled",
        )
    return name


def possible_connections(idp: Idp, asked: AuthorizationRequest) -> list[Connection]:
    """The connections with which the person can sign in."""
    client = idp.tenant.clients.get(asked.client_id)
    usable = idp.tenant.usable_connections(client) if client is not None else []
    found = _of_organization(idp, usable, asked.organization)
    return [each for each in found if asked.connection in (None, each.name)]


def _of_organization(idp: Idp, usable: list[Connection], organization_id: str | None) -> list[Connection]:
    organization = idp.tenant.organizations.get(organization_id or "")
    return usable if organization is None else [each for each in usable if each.name in organization.connections]


def _unavailable(idp: Idp) -> list[str]:
    """The names of the connections in the tenant file that are no databases."""
    others = idp.configuration.tenant_file.not_played.get("connections")
    return [str(each.get("name")) for each in others or () if isinstance(each, dict)]


def _none_enabled(idp: Idp, client: Client) -> AuthorizationError:
    code = "no_connections" if client.first_party else "no_domain_connection"
    names = tuple(idp.tenant.connections)
    database = names[0] if names else "Username-Password-Authentication"
    case = Case(code, client=client.name, connections=names, database=database)
    return AuthorizationError("invalid_request", "no connections enabled for the client", case)
