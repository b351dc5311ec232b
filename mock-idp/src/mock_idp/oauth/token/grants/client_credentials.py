"""Client credentials: a token for the client itself (RFC 6749 section 4.4)."""

from __future__ import annotations

from ....errors import AccessDenied
from ....tenant.model import Api, ClientGrant, management_api, management_identifier
from ...organizations import organization_for_machine
from ...scopes import granted_by, split_scope
from ..minting import Authorization
from . import Granted, TokenRequest

GRANT_TYPE = "client_credentials"


def redeem(request: TokenRequest) -> Granted:
    """An access token for the client itself, within its client grant."""
    api = _api(request)
    grant = _grant(request, api)
    return Granted(
        Authorization(
            request.issuer,
            request.client,
            scopes=_scopes(request, api, grant),
            api=api,
            gty="client-credentials",
            organization=organization_for_machine(
                request.idp.tenant, request.client, grant, request.parameters.get("organization")
            ),
        ),
        requested=split_scope(request.parameters.get("scope")),
    )


def _api(request: TokenRequest) -> Api:
    tenant, parameters = request.idp.tenant, request.parameters
    identifier = parameters.get("audience")
    compatible = tenant.settings.resource_parameter_profile == "compatibility"
    if identifier is None and compatible and request.idp.behaviours.resource_for_machines:
        identifier = parameters.get("resource")
    if identifier is None:
        raise AccessDenied(
            "Non-global clients are not allowed access to APIv1",
            why="The request has no audience. client_credentials ignores the tenant's default_audience.",
        )
    if identifier == management_identifier(request.issuer):
        return management_api(request.issuer)
    return request.api(identifier)


def _grant(request: TokenRequest, api: Api) -> ClientGrant:
    grant = request.idp.tenant.client_grant(request.client, api, "client")
    if grant is None or api.client_policy == "deny_all":
        raise AccessDenied(
            f'Client is not authorized to access "{api.identifier}". '
            'You need to create a "client-grant" associated to this API.',
            guess="machine_without_grant",
            why="client_credentials needs a client grant with subject_type: client.",
        )
    return grant


def _scopes(request: TokenRequest, api: Api, grant: ClientGrant) -> tuple[str, ...]:
    covered = granted_by(grant, api)
    requested = split_scope(request.parameters.get("scope"))
    missing = [scope for scope in requested if scope not in covered]
    if missing:
        raise AccessDenied(f"Client has not been granted scopes: {', '.join(missing)}", guess="machine_scope")
    return requested or covered
