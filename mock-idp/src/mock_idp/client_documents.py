"""Which metadata documents the tenant takes, and for how long it trusts its copy."""

from __future__ import annotations

from .cimd import Imported, import_client, is_metadata_url
from .errors import AccessDenied, OAuthError, PageError
from .explanations import Case
from .idp import Idp
from .self_registered import add_registered
from .store import FetchedDocument


async def import_by_hand(idp: Idp, url: str) -> Imported:
    """What an administrator does with POST /api/v2/clients/cimd/register. OAuthError when it cannot be done."""
    if not idp.tenant.settings.client_id_metadata_document_supported:
        raise AccessDenied("Client ID Metadata Documents are not enabled: client_id_metadata_document_supported is off")
    imported = await import_client(idp.fetcher, url)
    add_registered(idp, imported.client)
    return imported


async def register_on_first_use(idp: Idp, client_id: str | None) -> None:
    """Take on an unknown client whose id is a URL, where the tenant's settings say so.

    PageError when its document cannot be used: nothing in it can be trusted with a redirect.
    """
    if client_id is None or not is_metadata_url(client_id):
        return
    known, settings = idp.tenant.clients.get(client_id), idp.tenant.settings
    if not settings.client_id_metadata_document_dynamic_registration_supported:
        return
    if known is not None and not _is_stale(idp, client_id):
        return
    try:
        imported = await import_client(idp.fetcher, client_id)
    except OAuthError as error:
        case = Case("metadata_document_refused", sent=client_id, problem=error.description)
        raise PageError(error.error, error.description, case, guess="metadata_document") from error
    add_registered(idp, imported.client)
    expires = idp.clock.now() + idp.behaviours.metadata_copy_lifetime
    idp.store.documents.put(client_id, FetchedDocument(expires))


def _is_stale(idp: Idp, client_id: str) -> bool:
    """Only copies made on first use grow stale; what an administrator imported or wrote down stays."""
    first_use = client_id in idp.store.documents
    return first_use and idp.store.documents.get(client_id, idp.clock.now()) is None
