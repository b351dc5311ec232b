"""Other MCP clients: whether a client that nobody registered can sign in."""

from __future__ import annotations

import time
from typing import Final

from ..signin.protocol.client import OAuthClient
from ..signin.protocol.registration import ClientStore, SelfRegistered
from ..signin.protocol.silent import Answer, Asker, similar_identifiers
from .attempts import nonexistent_api, sign_in, silent_answer
from .context import Context
from .findings import Finding, not_needed, ok, unknown, wrong

_GRANT_TYPES: Final = ("authorization_code", "refresh_token")


async def resource_identifier(context: Context) -> Finding:
    """Whether the API's Identifier is the server's URL."""
    resource, audience = context.resource or "", context.audience
    assert audience is not None
    if audience == resource:
        return ok(resource)
    difference = similar_identifiers(resource).get(audience)
    more = f" ({difference})" if difference else ""
    return wrong(f"AUTH0_AUDIENCE is {audience!r}, the server is {resource!r}{more}.")


async def resource_profile(context: Context) -> Finding:
    """Request an API that does not exist, by `audience` and by `resource`: the tenant must refuse both."""
    needless = (await sign_in(context)).needless.get("resource-profile")
    if needless:
        return not_needed(needless)
    nonexistent = nonexistent_api(context.resource or context.url)
    by_audience = await silent_answer(context, audience=nonexistent)
    by_resource = await silent_answer(context, resource=nonexistent)
    if by_audience is None or by_resource is None:
        return unknown("the agent has no Client ID")
    if by_audience.check != "api":
        return unknown(f"for an API that does not exist, the tenant answers {by_audience}")
    if by_resource.check == "api":
        return ok("The tenant reads `resource`.")
    return wrong("The tenant refuses an unknown API in `audience`, but not in `resource`.")


async def registration(context: Context) -> Finding:
    """Try to register without a redirect URI. The tenant must refuse; its answer shows whether registration is on."""
    assert context.tenant is not None
    endpoint = context.tenant.registration_endpoint
    if endpoint is None:
        return wrong("The tenant's metadata has no registration_endpoint.")
    reply = await context.fetch.post_json(endpoint, {"client_name": "Gatehouse doctor"})
    if reply.status in (400, 201):
        return ok(f"{endpoint} evaluates registrations.", guessed=True)
    if reply.is_overloaded:
        return unknown(f"{endpoint} answers {reply.status}")
    return wrong(f"{endpoint} answers {reply.status}.", guessed=True)


async def client_metadata(context: Context) -> Finding:
    """Whether the tenant accepts Client ID Metadata Documents. The agent may use one as its Client ID."""
    assert context.tenant is not None
    settings = context.settings
    own = settings.oauth_client_metadata_url if settings.auth0_client_id is None else None
    if context.tenant.client_id_metadata_document_supported:
        return ok(f"the agent's Client ID is its document {own}" if own else "the tenant's metadata announces it")
    if own:
        then = "the agent registers itself" if settings.oauth_dynamic_registration else "it has no other Client ID"
        return wrong(f"Off, but the agent's Client ID is the document {own}: {then}.")
    return not_needed("off; it is optional")


async def domain_connection(context: Context) -> Finding:
    """Whether people can sign in to a client that registered itself."""
    answer = await _answer_to_registered_client(context)
    if answer is None:
        return unknown("`gatehouse doctor --register` can check this: it registers a client, which stays in the tenant")
    if answer.needs_only_the_person:
        rules = "; the strict rules for third-party clients keep the answer on a page" if answer.on_page else ""
        return ok(f"The tenant would show its sign-in page{rules}.")
    if answer.check == "client-grant":
        return ok("The tenant refuses only because of the client grant.")
    if answer.check == "connection":
        return wrong(f"The tenant answers {answer}.")
    return unknown(f"the tenant answers {answer}")


async def third_party_grant(context: Context) -> Finding:
    """Whether a client that registered itself may request tokens for the API."""
    answer = await _answer_to_registered_client(context)
    if answer is not None and answer.needs_only_the_person:
        return ok("The tenant would issue a token for the API.")
    if answer is not None and answer.check == "client-grant":
        return wrong(f"The tenant answers {answer}.")
    return unknown(f"the tenant answers {answer}")


async def _answer_to_registered_client(context: Context) -> Answer | None:
    return await context.once("a registered client's sign-in", lambda: _as_registered_client(context))


async def _as_registered_client(context: Context) -> Answer | None:
    """Request a sign-in as a client that registered itself; None if there is none."""
    tenant, callback = context.tenant, context.settings.oauth_callback_uri
    assert tenant is not None
    store = ClientStore(context.settings.gatehouse_home / "doctor", lambda _: None)
    client: OAuthClient | None = None
    if context.register or store.load(tenant.issuer) is not None:
        registration = SelfRegistered(context.fetch, store, callback, time.time)
        client = await registration.client_for(tenant, _GRANT_TYPES)
    if client is None:
        return None
    # Such clients may also send `audience`. Another check is about `resource`.
    asker = Asker(context.fetch, tenant, client.client_id, callback)
    answer = await asker.ask(audience=context.resource or context.url, scope=context.permission)
    if answer.check == "application":
        store.forget(tenant.issuer)
    return answer
