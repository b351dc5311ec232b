"""Access to the console.

The console is read-only. It shows only passwords that offline.yaml publishes, and digests of codes, tokens and secrets.
Access is limited nevertheless:

- A request must come from the user or from the console's own script, not from a script or a frame of another site.
- Only this machine sees the activity (log, sign-ins), unless MOCK_IDP_CONSOLE=on. Another container is another machine.
  If the control API needs a token, the console hides the activity, because that token protects the same data.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from starlette.requests import Request

from ..web.request import is_from_this_machine

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


def is_from_user(request: Request) -> bool:
    """Whether the request cannot come from a script or a frame of another site (Fetch Metadata)."""
    headers = request.headers
    if headers.get("sec-fetch-site", "none") in ("none", "same-origin"):
        return headers.get("origin") in (None, f"{request.url.scheme}://{headers.get('host', '')}")
    return headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
