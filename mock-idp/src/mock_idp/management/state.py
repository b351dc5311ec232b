"""The tenant's configuration as the Management API's endpoints read and change it. A change acts at once."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request

from ..state.idp import Idp
from ..tenant.merging import changed, replaced, without
from ..web.request import idp_of
from .errors import Inexistent

Document = dict[str, Any]


def add(request: Request, section: str, entry: Document, *, log: str) -> None:
    """Add an entry to a section of tenant.yaml. ConfigurationError when it refers to what is not there."""
    idp = idp_of(request)
    idp.configure(changed(idp.configuration, {section: [entry]}, {}))
    idp.log.add("sapi", log)


def replace(request: Request, section: str, key: Document, entry: Document, *, log: str) -> None:
    """Put `entry` in place of the one that `key` names."""
    idp = idp_of(request)
    idp.configure(replaced(idp.configuration, section, key, entry))
    idp.log.add("sapi", log)


def remove(request: Request, section: str, key: Document, *, log: str) -> None:
    """Remove an entry, and what refers to it."""
    idp = idp_of(request)
    rest = without(idp.configuration, section, key)
    if rest is not None:
        idp.configure(rest)
    idp.log.add("sapi", log)


def change_offline(request: Request, changes: Document) -> None:
    """Merge changes into what stands in offline.yaml."""
    idp = idp_of(request)
    idp.configure(changed(idp.configuration, {}, changes))


def client_name(idp: Idp, client_id: object) -> str:
    """The name of a client of the tenant file, which is what the file refers to it by. Inexistent otherwise."""
    client = idp.tenant.clients.get(client_id) if isinstance(client_id, str) else None
    if client is None or client.registration != "file":
        raise Inexistent("client")
    return client.name


def client_id_of(idp: Idp, name: str) -> str:
    """The id of the client that the tenant file calls by this name."""
    clients = idp.tenant.clients.values()
    return next((c.client_id for c in clients if c.registration == "file" and c.name == name), name)
