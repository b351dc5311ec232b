"""The role that lets a person use the server: which one it is, and giving it."""

from __future__ import annotations

from ..errors import UsageError
from .file import Document, TenantFile
from .management import Management


def role_with(file: TenantFile, permission: str) -> str | None:
    """The name of the file's first role that has the permission of the file's first API; None if none has it."""
    api = file.apis[0]["identifier"] if file.apis else None
    wanted = {"permission_name": permission, "resource_server_identifier": api}
    return next((role["name"] for role in file.roles if wanted in (role.get("permissions") or [])), None)


def give(management: Management, role: Document, person: str) -> None:
    """Give the role to a user.

    Args:
        person: an e-mail address, or a user id, which has a `|`.

    Raises:
        UsageError: no account, or more than one, has the e-mail address.
        GatehouseError: as `Management.call`.
    """
    ids = [person]
    if "|" not in person:
        found = management.call("read a user", lambda api: api.users.list_users_by_email(email=person.lower()))
        ids = [str(user["user_id"]) for user in found]
    if not ids:
        raise UsageError(
            f"The tenant has no user with the e-mail address {person}. Create the user in the dashboard under User"
            " Management > Users, or let the person sign up; then give the role."
        )
    if len(ids) > 1:
        raise UsageError(f"{person} has {len(ids)} accounts: {', '.join(ids)}. Name one by its id.")
    management.call(
        f"give the role {role['name']} to {person}", lambda api: api.users.roles.assign(ids[0], roles=[role["id"]])
    )
