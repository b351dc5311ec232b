"""All checks, in the order in which one needs what another found."""

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
from ..storage.grant import Grant
from ..tenant.management import Management
from ..tenant.settings import load_tenant_settings
from .answers import Asker
from .application import see_application, see_device, see_token_endpoint
from .configuration import Wanted, see_configuration
from .findings import Finding, Record
from .objects import Objects, read_objects
from .others import see_documents, see_identifier, see_profile, see_registration, see_third_party
from .server import see_certificates, see_clock, see_server
from .signin import is_machine, see_grant, see_stored_sign_in
from .tenant import see_tenant
from .unattended import UnattendedSignIn

_OPENID: Final = frozenset({"openid", "offline_access"})


async def examine(
    settings: Settings, account: Account, trace: Trace, *, register: bool = False, skip: Iterable[str] = ()
) -> list[Finding]:
    """Make every check, one finding for each. No person signs in for it.

    Args:
        register: whether to register a client, to see what such a one meets.
        skip: checks to leave out.
    """
    record = Record(frozenset(skip) | (frozenset() if settings.gatehouse_sign_in == "assertion" else {"assertion"}))
    fetch, url = fetcher_for(settings, trace), settings.mcp_public_url
    found = await see_server(fetch, url, settings.issuer, record)
    metadata, challenge = found if found else (None, None)
    resource = metadata.resource if metadata else url
    issuer = settings.issuer or (metadata.authorization_servers[0] if metadata else None)
    audience = settings.auth0_audience or resource
    if metadata is None and audience == resource:
        record.unknown("resource-identifier", "the server does not say what it is called")
    else:
        see_identifier(resource, audience, record)
    seen = await see_tenant(fetch, issuer, url, record) if issuer else None
    server, keys = seen if seen else (None, {})
    client = account.provider.client_at(server) if server else None
    issued = None
    if issuer is None:
        record.unknown(_of(TENANT), "the tenant is not configured, and the server does not name one")
    if server is None:
        record.unknown(_of(APPLICATION, OTHERS), "the tenant's metadata cannot be had")
        record.unknown("management", "the tenant's metadata cannot be had")
    else:
        if _is_unattended(settings) and client is not None:
            way = UnattendedSignIn(fetch, settings, account, server, client, audience)
            issued = await way.see(challenge, record)
        await _see_application(fetch, settings, server, client, audience, resource, record)
        await see_registration(fetch, server, record)
        see_documents(server, settings, record)
        await see_third_party(fetch, server, settings, resource, record, register=register)
    if issuer is None:
        record.unknown(_of(SIGN_IN), "there is no tenant to compare it with")
        grant = None
    elif _is_unattended(settings):
        record.unknown("refresh-token", "a way without a person signs in anew in its place")
        record.unknown(() if issued else _of(SIGN_IN), "no token was issued")
        grant = issued
    else:
        grant = await see_stored_sign_in(account, url, record)
    if grant is not None and issuer is not None:
        await see_grant(fetch, settings, grant, audience, issuer, keys, record)
    see_clock(record)
    see_certificates(record)
    told = Record()
    if server is not None:
        named = [name for name in (metadata and metadata.scopes_supported) or () if name not in _OPENID]
        wanted = Wanted(
            audience=audience,
            resource=resource,
            callback=settings.oauth_callback_uri,
            required=settings.required_permission,
            permissions=tuple(dict.fromkeys([settings.required_permission, *named])),
            grant_types=() if account.token else account.provider.grant_types,
            has_credentials=client is not None and (client.secret is not None or client.key is not None),
        )
        await _see_objects(trace, client, grant, wanted, record, told)
    return record.findings(told)


def _is_unattended(settings: Settings) -> bool:
    return settings.gatehouse_sign_in in ("machine", "assertion")


async def _see_application(
    fetch: Fetcher,
    settings: Settings,
    server: AuthorizationServer,
    client: OAuthClient | None,
    audience: str,
    resource: str,
    record: Record,
) -> None:
    """The agent's own application, by the way to sign in that is chosen."""
    way, permission = settings.gatehouse_sign_in, settings.required_permission
    checks = [*_of(APPLICATION), "resource-profile"]
    record.unknown("permissions", "only the Management API tells")
    if way == "token":
        record.unknown(checks, "a ready token is used: nobody signs in")
    elif client is None:
        if settings.oauth_dynamic_registration:
            record.unknown(checks, "the agent registers itself at its first sign-in")
        else:
            record.wrong("application", "AUTH0_CLIENT_ID is not set, and OAUTH_DYNAMIC_REGISTRATION is 0.")
            record.unknown(checks, "the agent has no Client ID here")
    elif _is_unattended(settings):
        record.unknown(checks, f"GATEHOUSE_SIGN_IN is {way}: no person signs in")
    else:
        asker = Asker(fetch, server, client.client_id, settings.oauth_callback_uri)
        if way == "device":
            await see_device(fetch, server, client, permission, audience, record)
            record.unknown("resource-profile", "only a sign-in with a browser here tells")
        else:
            await see_application(asker, permission, audience, record)
            await see_profile(asker, resource, record)
        await see_token_endpoint(asker, client, settings, record)


async def _see_objects(
    trace: Trace, client: OAuthClient | None, grant: Grant | None, wanted: Wanted, record: Record, told: Record
) -> None:
    """What the Management API tells, where there are credentials for it. Nothing else depends on it."""
    try:
        objects = await asyncio.to_thread(_objects, trace, client, grant, wanted.audience)
    except GatehouseError as error:
        record.unknown("management", str(error))
        return
    if objects is None:
        record.unknown("management", "AUTH0_MGMT_CLIENT_ID is not set; with it and its secret some checks say more")
        return
    if objects.unread:
        record.unknown("management", " ".join(dict.fromkeys(objects.unread)))
    else:
        record.ok("management", "The tenant's own objects were read.")
    see_configuration(objects, wanted, told)


def _objects(trace: Trace, client: OAuthClient | None, grant: Grant | None, audience: str) -> Objects | None:
    settings = load_tenant_settings()
    if not settings.has_credentials:
        return None
    claims = claims_of(grant.access_token) if grant else {}
    person = None if is_machine(claims) else claims.get("sub")
    # Under which id it has a client that is a metadata document is not established.
    client_id = client.client_id if client is not None and not client.is_document else None
    with Management(settings, trace) as management:
        return read_objects(management, client_id, str(person) if person else None, audience)


def _of(*groups: str) -> list[str]:
    return [check for check, entry in ENTRIES.items() if entry.group in groups]
