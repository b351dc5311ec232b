"""Who sees the activity of the tenant: the sign-ins, the log, and the mails that it does not send.

Only this machine does, unless MOCK_IDP_CONSOLE=on. Another container is another machine. If the control API needs a
token, nobody does, because that token protects the same data.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, cast

from starlette.requests import Request

from .request import is_from_this_machine

Mode = Literal["auto", "on", "off"]


@dataclass(frozen=True)
class ConsoleAccess:
    """`needs_token` means that the control API needs a token."""

    mode: Mode = "auto"
    needs_token: bool = False

    def shows_activity(self, request: Request) -> bool:
        if self.mode != "auto":
            return self.mode == "on"
        return not self.needs_token and is_from_this_machine(request)


def shows_activity(request: Request) -> bool:
    return cast(ConsoleAccess, request.app.state.console).shows_activity(request)
