"""Reads and changes of the tenant's configuration, and the ids of its entries. A change takes effect at once.

The ids have Auth0's forms. They are hashes of members that cannot change, so they are the same after each start.
"""

from __future__ import annotations

import hashlib
from typing import Any

from starlette.requests import Request

from ..state.idp import Idp
from ..state.tenant_log import Event
from ..tenant.loading import checked_configuration
from ..tenant.merging import changed, replaced, without
from ..tenant.model import ClientGrant
from ..web.request import idp_of
from .errors import Inexistent

Document = dict[str, Any]


def add(request: Request, section: str, entry: Document, *, log: str) -> None:
    """Add an entry to a section of tenant.yaml. Raises ConfigurationError if a reference in it is unknown."""
    idp = idp_of(request)
    idp.configure(changed(idp.configuration, {section: [entry]}, {}))
    idp.log.add("sapi", log)


def replace(request: Request, section: str, key: Document, entry: Document, *, log: str) -> None:
    """Replace the entry that has the members `key`."""
    idp = idp_of(request)
    idp.configure(replaced(idp.configuration, section, key, entry))
    idp.log.add("sapi", log)


def remove(request: Request, section: str, key: Document, *, log: str) -> None:
    """Remove an entry, and all references to it."""
    idp = idp_of(request)
    rest = without(idp.configuration, section, key)
    if rest is not None:
        idp.configure(rest)
    idp.log.add("sapi", log)


def configure(idp: Idp, tenant: Document, offline: Document) -> None:
    """Replace the whole configuration. Raises ConfigurationError."""
    idp.configure(checked_configuration(tenant, offline, names=("tenant", "offline")))


def shown_event(event: Event) -> Document:
    """An event of the tenant log in Auth0's form, whose `details` are an object."""
    shown = event.as_dict()
    return {**shown, "details": {"reason": shown["details"]}} if "details" in shown else shown


def client_name(idp: Idp, client_id: object) -> str:
    """The name by which the tenant file refers to a client. Raises Inexistent if the file does not have the client."""
    client = idp.tenant.clients.get(client_id) if isinstance(client_id, str) else None
    if client is None or client.registration != "file":
        raise Inexistent("client")
    return client.name


def client_id_of(idp: Idp, name: str) -> str:
    """The id of the client that has this name in the tenant file."""
    clients = idp.tenant.clients.values()
    return next((c.client_id for c in clients if c.registration == "file" and c.name == name), name)


def api_id(identifier: str) -> str:
    return _digest("resource server", identifier, length=24)


def role_id(idp: Idp, name: str) -> str:
    """A renamed role keeps its id. In this case offline.yaml has the id."""
    return idp.configuration.offline_file.role_ids.get(name) or new_role_id(name)


def new_role_id(name: str) -> str:
    return f"rol_{_digest('role', name)}"


def grant_id(grant: ClientGrant) -> str:
    return f"cgr_{_digest('client grant', grant.client_id or '', grant.audience, grant.subject_type)}"


def _digest(*parts: str, length: int = 16) -> str:
    return hashlib.sha256("\n".join(("offline tenant", *parts)).encode()).hexdigest()[:length]
