"""Ids in Auth0's shapes. They follow from what cannot change about a thing: they are the same at every start."""

from __future__ import annotations

import hashlib

from ..state.idp import Idp
from ..tenant.model import ClientGrant


def api_id(identifier: str) -> str:
    return _digest("resource server", identifier, length=24)


def connection_id(name: str) -> str:
    return f"con_{_digest('connection', name)}"


def role_id(idp: Idp, name: str) -> str:
    """A role keeps its id when it is renamed: offline.yaml has it then."""
    return idp.configuration.offline_file.role_ids.get(name) or new_role_id(name)


def new_role_id(name: str) -> str:
    return f"rol_{_digest('role', name)}"


def grant_id(grant: ClientGrant) -> str:
    return f"cgr_{_digest('client grant', grant.client_id or '', grant.audience, grant.subject_type)}"


def _digest(*parts: str, length: int = 16) -> str:
    return hashlib.sha256("\n".join(("offline tenant", *parts)).encode()).hexdigest()[:length]
