"""What the explanations of a refused request to /authorize are about."""

from __future__ import annotations

from ...errors import PageError
from ...explanations import Case
from ...state.idp import Idp
from ...tenant.model import Client
from ..clients.metadata_documents import is_metadata_url


def unknown_client(idp: Idp, client_id: str) -> PageError:
    code = "unknown_registered_client" if client_id.startswith("tpc_") else "unknown_client"
    if is_metadata_url(client_id):
        code = "unknown_metadata_client"
    known = tuple(f"{client.client_id} ({client.name})" for client in idp.tenant.clients.values())
    return PageError(
        "invalid_request",
        f"Unknown client: {client_id}",
        Case(code, sent=client_id, clients=known),
        guess="unknown_client",
    )


def grant_type_case(client: Client, grant: str) -> Case:
    allowed = tuple(sorted(client.grant_types))
    return Case("grant_type_not_allowed", client=client.name, grant=grant, allowed=allowed)


def connections_case(idp: Idp, client: Client) -> Case:
    code = "no_connections" if client.first_party else "no_domain_connection"
    names = tuple(idp.tenant.connections)
    database = names[0] if names else "Username-Password-Authentication"
    return Case(code, client=client.name, connections=names, database=database)


def malformed(parameter: str, value: str | None) -> Case:
    return Case("parameter_malformed", parameter=parameter, sent=value or "")
