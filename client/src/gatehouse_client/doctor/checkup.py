"""All checks, in the order in which one needs what another found."""

from __future__ import annotations

from collections.abc import Iterable

from ..account import Account, fetcher_for
from ..settings import Settings
from ..signin.client import OAuthClient
from ..trace import Trace
from .answers import Asker
from .application import see_application, see_token_endpoint
from .entries import APPLICATION, ENTRIES, OTHERS, SIGN_IN, TENANT
from .findings import Finding, Record
from .others import see_identifier, see_profile, see_registration, see_third_party
from .server import see_certificates, see_clock, see_server
from .signin import see_sign_in
from .tenant import see_tenant


async def examine(
    settings: Settings, account: Account, trace: Trace, *, register: bool = False, skip: Iterable[str] = ()
) -> list[Finding]:
    """Make every check, one finding for each. Nobody signs in for it.

    Args:
        register: whether to register a client, to see what such a one meets.
        skip: checks to leave out.
    """
    record = Record(frozenset(skip))
    fetch, url = fetcher_for(settings, trace), settings.mcp_public_url
    found = await see_server(fetch, url, settings.issuer, record)
    resource = found.resource if found else url
    issuer = settings.issuer or (found.authorization_servers[0] if found else None)
    audience = settings.auth0_audience or resource
    if found is None and audience == resource:
        record.unknown("resource-identifier", "the server does not say what it is called")
    else:
        see_identifier(resource, audience, record)
    if issuer is None:
        record.unknown(_of(TENANT), "the tenant is not configured, and the server does not name one")
    seen = await see_tenant(fetch, issuer, url, record) if issuer else None
    if seen is None:
        record.unknown(_of(APPLICATION, OTHERS), "the tenant's metadata cannot be had")
    else:
        server, _ = seen
        client = account.provider.client_at(server.issuer)
        why = _no_authorization_request(settings, client)
        if client is None or why:
            record.unknown([*_of(APPLICATION), "resource-profile"], why)
        else:
            asker = Asker(fetch, server, client.client_id, settings.oauth_callback_uri)
            await see_application(asker, settings.required_permission, audience, record)
            await see_token_endpoint(asker, client, settings, record)
            await see_profile(asker, resource, record)
        await see_registration(fetch, server, record)
        await see_third_party(fetch, server, settings, resource, record, register=register)
    if issuer is None:
        record.unknown(_of(SIGN_IN), "there is no tenant to compare it with")
    else:
        await see_sign_in(fetch, settings, account, audience, issuer, seen[1] if seen else {}, record)
    see_clock(record)
    see_certificates(record)
    return record.findings()


def _no_authorization_request(settings: Settings, client: OAuthClient | None) -> str:
    """Why the application cannot be asked for as a person's; empty if it can."""
    if settings.gatehouse_sign_in in ("machine", "assertion", "token"):
        return f"GATEHOUSE_SIGN_IN is {settings.gatehouse_sign_in}: no person signs in"
    return "" if client else "the agent registers itself at its first sign-in"


def _of(*groups: str) -> list[str]:
    return [check for check, entry in ENTRIES.items() if entry.group in groups]
