"""Other MCP clients: whether a client that nobody registered can sign in."""

from __future__ import annotations

import time
from typing import Final

from ..errors import ConfigurationError, SignInError, UnreachableError
from ..settings import Settings
from ..signin.http.fetch import Fetcher
from ..signin.protocol.client import OAuthClient
from ..signin.protocol.discovery import AuthorizationServer
from ..signin.protocol.registration import ClientStore, SelfRegistered
from ..signin.protocol.silent import Asker, similar_identifiers
from .application import nonexistent_api
from .findings import Findings

_THIRD_PARTY: Final = ("domain-connection", "third-party-grant")
_GRANT_TYPES: Final = ("authorization_code", "refresh_token")


def check_identifier(resource: str, audience: str, findings: Findings) -> None:
    """Whether the API's Identifier is the server's URL."""
    if audience == resource:
        findings.ok("resource-identifier", resource)
        return
    difference = similar_identifiers(resource).get(audience)
    seen = f"AUTH0_AUDIENCE is {audience!r}, the server is {resource!r}{f' ({difference})' if difference else ''}."
    findings.wrong("resource-identifier", seen, f"AUTH0_AUDIENCE={resource}")


async def check_resource_profile(asker: Asker, resource: str, findings: Findings) -> None:
    """Request an API that does not exist, by `audience` and by `resource`: the tenant must refuse both."""
    nonexistent = nonexistent_api(resource)
    try:
        by_audience, by_resource = await asker.ask(audience=nonexistent), await asker.ask(resource=nonexistent)
    except (UnreachableError, SignInError) as error:
        findings.unknown("resource-profile", str(error))
        return
    if by_audience.check != "api":
        findings.unknown("resource-profile", f"for an API that does not exist, the tenant answers {by_audience}")
    elif by_resource.check == "api":
        findings.ok("resource-profile", "The tenant reads `resource`.")
    else:
        findings.wrong("resource-profile", "The tenant refuses an unknown API in `audience`, but not in `resource`.")


async def check_registration(fetch: Fetcher, server: AuthorizationServer, findings: Findings) -> None:
    """Try to register without a redirect URI. The tenant must refuse; its answer shows whether registration is on."""
    if server.registration_endpoint is None:
        findings.wrong("registration", "The tenant's metadata has no registration_endpoint.")
    else:
        try:
            reply = await fetch.post_json(server.registration_endpoint, {"client_name": "Gatehouse doctor"})
        except (UnreachableError, SignInError) as error:
            findings.unknown("registration", str(error))
        else:
            if reply.status in (400, 201):
                findings.ok("registration", f"{server.registration_endpoint} evaluates registrations.", guessed=True)
            elif reply.status >= 500 or reply.status == 429:
                findings.unknown("registration", f"{server.registration_endpoint} answers {reply.status}")
            else:
                seen = f"{server.registration_endpoint} answers {reply.status}."
                findings.wrong("registration", seen, guessed=True)


def check_metadata_documents(server: AuthorizationServer, settings: Settings, findings: Findings) -> None:
    """Whether the tenant accepts Client ID Metadata Documents. The agent may use one as its Client ID."""
    own = settings.oauth_client_metadata_url if settings.auth0_client_id is None else None
    if server.client_id_metadata_document_supported:
        seen = f"the agent's Client ID is its document {own}" if own else "the tenant's metadata announces it"
        findings.ok("client-metadata", seen)
    elif own:
        then = "the agent registers itself" if settings.oauth_dynamic_registration else "it has no other Client ID"
        findings.wrong("client-metadata", f"Off, but the agent's Client ID is the document {own}: {then}.")
    else:
        findings.unknown("client-metadata", "off, as in every new tenant; it is optional")


async def check_third_party(
    fetch: Fetcher,
    server: AuthorizationServer,
    settings: Settings,
    resource: str,
    findings: Findings,
    *,
    register: bool,
) -> None:
    """Request a sign-in as a client that registered itself.

    Args:
        register: whether to register such a client if none is stored. The client stays in the tenant.
    """
    store = ClientStore(settings.gatehouse_home / "doctor", lambda _: None)
    if findings.is_wrong("registration"):
        findings.unknown(_THIRD_PARTY, "no client can register itself")
        return
    try:
        client = await _registered(fetch, server, settings, store, register=register)
        if client is None:
            why = "`gatehouse doctor --register` can check this: it registers a client, which stays in the tenant"
            findings.unknown(_THIRD_PARTY, why)
            return
        asker = Asker(fetch, server, client.client_id, settings.oauth_callback_uri)
        # Such clients may also send `audience`. Another check is about `resource`.
        answer = await asker.ask(audience=resource, scope=settings.required_permission)
    except (UnreachableError, SignInError, ConfigurationError) as error:
        findings.unknown(_THIRD_PARTY, str(error))
        return
    rules = "; the strict rules for third-party clients keep the answer on a page" if answer.on_page else ""
    if answer.needs_only_the_person:
        findings.ok("domain-connection", f"The tenant would show its sign-in page{rules}.")
        findings.ok("third-party-grant", "The tenant would issue a token for the API.")
    elif answer.check == "connection":
        findings.wrong("domain-connection", f"The tenant answers {answer}.")
    elif answer.check == "client-grant":
        findings.ok("domain-connection", "The tenant refuses only because of the client grant.")
        findings.wrong("third-party-grant", f"The tenant answers {answer}.")
    elif answer.check == "application":
        store.forget(server.issuer)
    findings.unknown(_THIRD_PARTY, f"the tenant answers {answer}")


async def _registered(
    fetch: Fetcher, server: AuthorizationServer, settings: Settings, store: ClientStore, *, register: bool
) -> OAuthClient | None:
    """The stored client of the doctor; else a new one if `register` allows it."""
    if not register and store.load(server.issuer) is None:
        return None
    registration = SelfRegistered(fetch, store, settings.oauth_callback_uri, time.time)
    return await registration.client_for(server, _GRANT_TYPES)
