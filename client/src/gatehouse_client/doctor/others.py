"""What an MCP client meets that nobody prepared anything for."""

from __future__ import annotations

import time
from typing import Final

from ..errors import ConfigurationError, SignInError, UnreachableError
from ..settings import Settings
from ..signin.http.fetch import Fetcher
from ..signin.protocol.client import OAuthClient
from ..signin.protocol.discovery import AuthorizationServer
from ..signin.protocol.registration import ClientStore, SelfRegistered
from .answers import Asker
from .application import slips, unreal_api
from .findings import Record

_THIRD_PARTY: Final = ("domain-connection", "third-party-grant")
_GRANT_TYPES: Final = ("authorization_code", "refresh_token")


def see_identifier(resource: str, audience: str, record: Record) -> None:
    """Whether the API is named as the server names itself."""
    if audience == resource:
        record.ok("resource-identifier", resource)
        return
    slip = slips(resource).get(audience)
    seen = f"AUTH0_AUDIENCE is {audience!r}, the server is {resource!r}{f' ({slip})' if slip else ''}."
    record.wrong("resource-identifier", seen, f"AUTH0_AUDIENCE={resource}")


async def see_profile(asker: Asker, resource: str, record: Record) -> None:
    """Ask for an API that cannot exist: by `audience`, to see that the tenant minds, then by `resource`."""
    unreal = unreal_api(resource)
    try:
        by_audience, by_resource = await asker.ask(audience=unreal), await asker.ask(resource=unreal)
    except (UnreachableError, SignInError) as error:
        record.unknown("resource-profile", str(error))
        return
    if by_audience.check != "api":
        record.unknown("resource-profile", f"asked for an API that cannot exist, the tenant answers {by_audience}")
    elif by_resource.check == "api":
        record.ok("resource-profile", "The tenant reads `resource`.")
    else:
        record.wrong("resource-profile", "The tenant minds an unknown API in `audience`, but not in `resource`.")


async def see_registration(fetch: Fetcher, server: AuthorizationServer, record: Record) -> None:
    """Try to register without a redirect URI, which must fail: only how it fails is of interest."""
    if server.registration_endpoint is None:
        record.wrong("registration", "The tenant's metadata names no registration_endpoint.")
    else:
        try:
            reply = await fetch.post_json(server.registration_endpoint, {"client_name": "Gatehouse doctor"})
        except (UnreachableError, SignInError) as error:
            record.unknown("registration", str(error))
        else:
            if reply.status in (400, 201):
                record.ok("registration", f"{server.registration_endpoint} reads what clients send.", guessed=True)
            elif reply.status >= 500 or reply.status == 429:
                record.unknown("registration", f"{server.registration_endpoint} answers {reply.status}")
            else:
                seen = f"{server.registration_endpoint} answers {reply.status}."
                record.wrong("registration", seen, guessed=True)


def see_documents(server: AuthorizationServer, settings: Settings, record: Record) -> None:
    """Whether the tenant takes clients by their metadata documents: the agent may be one, registration is for the
    tenants that do not."""
    own = settings.oauth_client_metadata_url if settings.auth0_client_id is None else None
    if server.client_id_metadata_document_supported:
        seen = f"the agent's Client ID is its document {own}" if own else "the tenant's metadata says so"
        record.ok("client-metadata", seen)
    elif own:
        then = "it registers itself" if settings.oauth_dynamic_registration else "it has no other Client ID"
        record.wrong("client-metadata", f"Off, and the agent's Client ID is to be its document {own}: {then}.")
    else:
        record.unknown("client-metadata", "off, as in every new tenant; it is optional")


async def see_third_party(
    fetch: Fetcher, server: AuthorizationServer, settings: Settings, resource: str, record: Record, *, register: bool
) -> None:
    """Ask for a sign-in as a client that registered itself.

    Args:
        register: whether to register one, if none is kept. It stays in the tenant.
    """
    store = ClientStore(settings.gatehouse_home / "doctor", lambda _: None)
    if record.is_wrong("registration"):
        record.unknown(_THIRD_PARTY, "no client can register itself")
        return
    try:
        client = await _registered(fetch, server, settings, store, register=register)
        if client is None:
            why = "needs a client that registered itself: `gatehouse doctor --register` makes one, which stays"
            record.unknown(_THIRD_PARTY, why)
            return
        asker = Asker(fetch, server, client.client_id, settings.oauth_callback_uri)
        # By `audience`, which such clients may send too: whether `resource` is read is another check.
        answer = await asker.ask(audience=resource, scope=settings.required_permission)
    except (UnreachableError, SignInError, ConfigurationError) as error:
        record.unknown(_THIRD_PARTY, str(error))
        return
    rules = "; it keeps its answer on a page, by the strict rules for third-party clients" if answer.on_page else ""
    if answer.is_welcome:
        record.ok("domain-connection", f"The tenant would show its sign-in page{rules}.")
        record.ok("third-party-grant", "The tenant would issue a token for the API.")
    elif answer.check == "connection":
        record.wrong("domain-connection", f"The tenant answers {answer}.")
    elif answer.check == "client-grant":
        record.ok("domain-connection", "The tenant minds only the client grant.")
        record.wrong("third-party-grant", f"The tenant answers {answer}.")
    elif answer.check == "application":
        store.forget(server.issuer)
    record.unknown(_THIRD_PARTY, f"the tenant answers {answer}")


async def _registered(
    fetch: Fetcher, server: AuthorizationServer, settings: Settings, store: ClientStore, *, register: bool
) -> OAuthClient | None:
    """The client that is kept for this, else a new one if that may be."""
    if not register and store.load(server.issuer) is None:
        return None
    registration = SelfRegistered(fetch, store, settings.oauth_callback_uri, time.time)
    return await registration.client_for(server, _GRANT_TYPES)
