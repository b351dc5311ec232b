"""The connections of a sign-in: those that the client has, and the one that the request names."""

from __future__ import annotations

from collections.abc import Mapping

from ...errors import AuthorizationError
from ...explanations import Case
from ...state.idp import Idp
from ...state.store import AuthorizationRequest
from ...tenant.model import Client, Connection


def requested_connection(idp: Idp, client: Client, parameters: Mapping[str, str]) -> str | None:
    """The name of the connection with which the person must sign in; None if the request names none.

    AuthorizationError if the client has no connection at all, or if there is no such database.
    """
    if not idp.tenant.usable_connections(client):
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
    return name


def check_connection(idp: Idp, asked: AuthorizationRequest) -> None:
    """AuthorizationError if the client, or the organization, cannot use the connection that the request names."""
    if asked.connection is not None and not possible_connections(idp, asked):
        client = idp.tenant.clients.get(asked.client_id)
        name = client.name if client is not None else asked.client_id
        raise AuthorizationError(
            "invalid_request",
            "the connection is not enabled",
            Case("connection_not_enabled", client=name, database=asked.connection),
            guess="connection_not_enabled",
        )


def possible_connections(idp: Idp, asked: AuthorizationRequest) -> list[Connection]:
    """The connections with which the person can sign in. In an organization they are also its own."""
    client = idp.tenant.clients.get(asked.client_id)
    organization = idp.tenant.organizations.get(asked.organization or "")
    found = idp.tenant.usable_connections(client) if client is not None else []
    if organization is not None:
        found = [each for each in found if each.name in organization.connections]
    return [each for each in found if asked.connection in (None, each.name)]


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
