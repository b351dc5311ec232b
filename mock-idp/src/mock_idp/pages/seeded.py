"""The users whose passwords the pages may show: those that stand in offline.yaml for everybody to read."""

from __future__ import annotations

from ..state.idp import Idp
from . import SeededUser


def seeded_users(idp: Idp) -> list[SeededUser]:
    """The users of the file that still are as the file has them. One made at run time has a password of its own."""
    published = {(user.email, user.password) for user in idp.seed.configuration.offline_file.users}
    return [
        SeededUser(user.email, user.password, ", ".join(user.roles))
        for user in idp.tenant.users.values()
        if (user.email, user.password) in published
    ]
