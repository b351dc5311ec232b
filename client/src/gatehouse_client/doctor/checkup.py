"""All checks, in an order in which each check has the results that it needs."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Final

from ..account import Account, fetcher_for
from ..causes.catalogue import APPLICATION, ENTRIES, OTHERS, SIGN_IN, TENANT
from ..claims import claims_of
from ..errors import GatehouseError
from ..settings import Settings
from ..signin.http.fetch import Fetcher
from ..signin.http.trace import Trace
from ..signin.protocol.client import OAuthClient
from ..signin.protocol.discovery import AuthorizationServer
from ..signin.protocol.silent import Asker
from ..storage.grant import Grant
from ..tenant.management import Management
from ..tenant.settings import load_tenant_settings
from .application import check_application, check_device_sign_in, check_token_endpoint
from .findings import Finding, Findings
from .management_checks import Requirements, check_configuration
from .objects import Objects, read_objects
from .other_clients import (
    check_identifier,
    check_metadata_documents,
    check_registration,
    check_resource_profile,
    check_third_party,
)
from .server import check_certificates, check_clock, check_server
from .signin import check_access_token, check_stored_sign_in, is_machine
from .tenant import check_tenant
from .unattended import UnattendedSignIn

_OPENID: Final = frozenset({"openid", "offline_access"})


async def examine(
    settings: Settings, account: Account, trace: Trace, *, register: bool = False, skip: Iterable[str] = ()
) -> list[Finding]:
    """Run all checks, with one finding for each. No person signs in for this.

    Args:
        register: whether to register a client, for the checks about such clients.
        skip: checks to leave out.
    """
    findings = Findings(frozenset(skip) | (frozenset() if settings.gatehouse_sign_in == "assertion" else {"assertion"}))
    fetch, url = fetcher_for(settings, trace), settings.mcp_public_url
    found = await check_server(fetch, url, settings.issuer, findings)
    metadata, challenge = found if found else (None, None)
    resource = metadata.resource if metadata else url
    issuer = settings.issuer or (metadata.authorization_servers[0] if metadata else None)
    audience = settings.auth0_audience or resource
    if metadata is None and audience == resource:
        findings.unknown("resource-identifier", "the server does not name its resource")
    else:
        check_identifier(resource, audience, findings)
    documents = await check_tenant(fetch, issuer, settings.issuer or url, findings) if issuer else None
    server, keys = documents if documents else (None, {})
    client = account.provider.client_at(server) if server else None
    unattended = settings.gatehouse_sign_in in ("machine", "assertion")
    grant = None
    if issuer is None:
        findings.unknown(_of(TENANT), "the tenant is not configured, and the server does not name one")
    if server is None:
        findings.unknown([*_of(APPLICATION, OTHERS), "management"], "the tenant's metadata is not available")
    else:
        if unattended and client is not None:
            sign_in = UnattendedSignIn(fetch, settings, account, server, client, audience)
            grant = await sign_in.check(challenge, findings)
        await _check_application(fetch, settings, server, client, audience, resource, findings)
        await check_registration(fetch, server, findings)
        check_metadata_documents(server, settings, findings)
        await check_third_party(fetch, server, settings, resource, findings, register=register)
    if issuer is None:
        findings.unknown(_of(SIGN_IN), "there is no tenant to compare with")
    elif unattended:
        findings.unknown("refresh-token", "a sign-in without a person is repeated instead of refreshed")
        findings.unknown(() if grant else _of(SIGN_IN), "no token was issued")
    else:
        grant = await check_stored_sign_in(account, url, findings)
    if grant is not None and issuer is not None:
        await check_access_token(fetch, settings, grant, audience, issuer, keys, findings)
    check_clock(findings)
    check_certificates(findings)
    if server is None:
        return findings.all()
    named = [name for name in (metadata and metadata.scopes_supported) or () if name not in _OPENID]
    needs = Requirements(
        audience=audience,
        resource=resource,
        callback=settings.oauth_callback_uri,
        required_permission=settings.required_permission,
        permissions=tuple(dict.fromkeys([settings.required_permission, *named])),
        grant_types=() if account.token else account.provider.grant_types,
        has_credentials=client is not None and (client.secret is not None or client.key is not None),
    )
    return findings.all(await _check_objects(trace, client, grant, needs, findings))


async def _check_application(
    fetch: Fetcher,
    settings: Settings,
    server: AuthorizationServer,
    client: OAuthClient | None,
    audience: str,
    resource: str,
    findings: Findings,
) -> None:
    """Check the agent's application, by the configured sign-in method."""
    method, permission = settings.gatehouse_sign_in, settings.required_permission
    checks = [*_of(APPLICATION), "resource-profile"]
    findings.unknown("permissions", "only the Management API tells this")
    if method == "token":
        findings.unknown(checks, "a ready token is used, so nobody signs in")
    elif client is None:
        if settings.oauth_dynamic_registration:
            findings.unknown(checks, "the agent registers itself at its first sign-in")
        else:
            findings.wrong("application", "AUTH0_CLIENT_ID is not set, and OAUTH_DYNAMIC_REGISTRATION is 0.")
            findings.unknown(checks, "the agent has no Client ID")
    elif method in ("machine", "assertion"):
        findings.unknown(checks, f"GATEHOUSE_SIGN_IN is {method}: no person signs in")
    else:
        asker = Asker(fetch, server, client.client_id, settings.oauth_callback_uri)
        if method == "device":
            await check_device_sign_in(fetch, server, client, permission, audience, findings)
            findings.unknown("resource-profile", "only a sign-in with a local browser tells this")
        else:
            await check_application(asker, permission, audience, findings)
            await check_resource_profile(asker, resource, findings)
        await check_token_endpoint(asker, client, settings, findings)


async def _check_objects(
    trace: Trace, client: OAuthClient | None, grant: Grant | None, needs: Requirements, findings: Findings
) -> Findings:
    """The findings from the tenant's objects, if the credentials for the Management API are set."""
    from_objects = Findings()
    try:
        objects = await asyncio.to_thread(_objects, trace, client, grant, needs.audience)
    except GatehouseError as error:
        findings.unknown("management", str(error))
        return from_objects
    if objects is None:
        findings.unknown("management", "AUTH0_MGMT_CLIENT_ID and its secret are not set; with them, checks see more")
        return from_objects
    if objects.unread:
        findings.unknown("management", " ".join(dict.fromkeys(objects.unread)))
    else:
        findings.ok("management", "The tenant's objects were read.")
    check_configuration(objects, needs, from_objects)
    return from_objects


def _objects(trace: Trace, client: OAuthClient | None, grant: Grant | None, audience: str) -> Objects | None:
    settings = load_tenant_settings()
    if not settings.has_credentials:
        return None
    claims = claims_of(grant.access_token) if grant else {}
    person = None if is_machine(claims) else claims.get("sub")
    # It is not known which id the tenant gives to a client that is a metadata document.
    client_id = client.client_id if client is not None and not client.is_document else None
    with Management(settings, trace) as management:
        return read_objects(management, client_id, str(person) if person else None, audience)


def _of(*groups: str) -> list[str]:
    return [check for check, entry in ENTRIES.items() if entry.group in groups]
